// Package engine chooses the engine of a process, and tries engines that are shared libraries before
// their first use. Where engines are, and what is known of them, is in package llama/engines.
//
// A library is code of the process that loads it, and one that was built for another processor, or
// wrongly, ends it. [Use] therefore loads a folder only if a verdict on its contents says that it
// computes right on this machine. Without a verdict it makes a trial: a child process loads the folder,
// loads the embedded model, generates a text that is known, and ends. A crash, a hang, a wrong text and
// an error are verdicts too, and are kept; [Check] tries again.
//
// The child process is a program that calls [Trial], by [Options].Command: infer uses itself. A service
// that embeds the runtime may do so too, as its first action for an argument of its own:
//
//	if len(os.Args) > 1 && os.Args[1] == "engine-trial" {
//		engine.Trial(ctx, os.Stdin, os.Stdout)
//		return
//	}
//
// Without a Command, folders that were tried before by the same version of this module can be used, as
// by the command 'infer engine check DIR'; others are an [ErrUntried], unless [Options].Untried allows
// them.
package engine
