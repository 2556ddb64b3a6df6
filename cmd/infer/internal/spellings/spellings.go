// Package spellings knows what users type who mean something else.
//
// Users of llama.cpp type its options. Where infer has the same thing they work, in all
// spellings; where it has not, they are refused with what to use in place of them.
// What is spelled with one dash is looked up before pflag sees it: it would read -cnv as
// -c nv, and show the help for -hf.
package spellings

import "strings"

// Shorthands are short flags of several letters, and others that pflag can't have, with
// the flag that each stands for.
type Shorthands map[string]string

// Common work in all commands that have the flag.
var Common = Shorthands{
	"ngl": "gpu-layers", "ctk": "cache-type-k", "ctv": "cache-type-v", "ub": "ubatch-size", "tb": "threads-batch",
	"fa": "flash-attn", "nr": "no-repack", "l": "logit-bias", "r": "stop",
}

// Names are llama.cpp's other names of flags.
var Names = map[string]string{
	"n-predict": "predict", "n-gpu-layers": "gpu-layers", "reverse-prompt": "stop", "temperature": "temp",
	"typical-p": "typical", "top-n-sigma": "top-nsigma", "log-verbose": "verbose", "usage": "help",
}

// Switches are llama.cpp's switches for what is a value of a flag here, or is so
// without any flag ("").
var Switches = map[string]string{
	"display-prompt": "--echo", "no-display-prompt": "--echo=false",
	"no-context-shift": "--context-shift=false",
	"repack":           "--no-repack=false",
	"mmap":             "--load=mmap",
	"log-disable":      "--quiet",

	"no-cnv": "", "no-conversation": "", "no-jinja": "", "no-mmproj": "", "no-mmproj-auto": "",
	"offline": "", "simple-io": "", "warmup": "", "no-warmup": "", "kvo": "", "kv-offload": "",
}

// What several options of llama.cpp are answered with.
const (
	noDownload = "models are not downloaded yet: download the file, then -m FILE"
	noChat     = "there is no chat, only -p TEXT to go on with: write the turns into it as the model was trained to read them"
	noDraft    = "there is no draft model: --lookup guesses tokens from the text"
	noRope     = "positions are encoded as the model's file says"
	noPlaces   = "weights are placed by layers, with -g N; --max-memory SIZE bounds what they keep of the RAM"
	noMedia    = "models read text alone: -p TEXT"
	noControl  = "control vectors are not applied: --lora FILE applies an adapter"
	noAffinity = "CPUs are not chosen: -t N for how many, and the system's own means (taskset, start /affinity) for which"
	noPriority = "threads are not tuned: -t N for how many, and the system's own means (nice, numactl) for the rest"
	noLog      = "the log is text on standard error: -v for decisions, -vv for the engine's own words"
	noSchema   = "schemas are not read: --grammar-file FILE, with a GBNF grammar"
	noCache    = "what was computed is not kept in files: a Go program keeps a session"
	noServer   = "there is no server: package runtime is for services"
	fitted     = "what is not set is fitted to the memory there is: 'infer plan' shows how, --max-memory SIZE bounds it"
	pastCache  = "what is streamed within --max-memory SIZE is read past the page cache"
)

// llamaOnly are llama.cpp's options that infer has no flag for, with what to use. A name
// that ends with * stands for all that begin so.
var llamaOnly = byName(map[string]string{
	"hf hfr hf-repo hff hf-file hft hf-token mu model-url dr docker-repo hfv hfrv hf-repo-v hffv hf-file-v gpt-oss-* vision-gemma-*": noDownload,
	"cl cache-list": "models are not downloaded yet: those in the folders of $INFER_MODELS are found by name",

	"cnv conversation i interactive if interactive-first ins instruct st single-turn mli multiline-input":                  noChat,
	"sys system-prompt sysf system-prompt-file jinja chat-template chat-template-* skip-chat-parsing no-skip-chat-parsing": noChat,
	"in-prefix in-prefix-bos in-suffix reasoning-* no-reasoning-* rea reasoning":                                           noChat,

	"md model-draft hfd hfrd hf-repo-draft ngld gpu-layers-draft n-gpu-layers-draft devd device-draft td threads-draft tbd":    noDraft,
	"threads-batch-draft draft draft-n draft-max draft-min draft-n-min draft-p-min draft-p-split ctkd cache-type-k-draft ctvd": noDraft,
	"cache-type-v-draft cd ctx-size-draft otd override-tensor-draft cmoed cpu-moe-draft ncmoed n-cpu-moe-draft Cd":             noDraft,
	"cpu-mask-draft Crd cpu-range-draft cpu-strict-draft prio-draft poll-draft Cbd cpu-mask-batch-draft":                       noDraft,
	"cpu-strict-batch-draft prio-batch-draft poll-batch-draft spec-*":                                                          noDraft,

	"rope-* yarn-* gan grp-attn-n gaw grp-attn-w": noRope,
	"override-kv": "metadata is taken from the model's file as it is",

	"dev device mg main-gpu sm split-mode ts tensor-split": "layers go to the devices that 'infer version' lists: -g N",
	"list-devices": "'infer version' lists the devices",
	"ot override-tensor cmoe cpu-moe ncmoe n-cpu-moe no-host": noPlaces,
	"nkvo no-kv-offload op-offload no-op-offload":             "cache and operations are where their layer is: -g N, 0 for all on the CPU",
	"rpc": "other machines are not used: -g N puts layers on devices of this one",

	"mlock":                            "memory is not locked: --load copy takes private memory, and --max-memory SIZE bounds it",
	"lm load-mode":                     "use --load auto, mmap, copy or stock",
	"dio direct-io ndio no-direct-io":  pastCache,
	"fit fitt fit-target fitc fit-ctx": fitted,
	"swa-full":                         "the cache of a sliding window has the size of the window",
	"dt defrag-thold":                  "the KV cache is not defragmented: it holds one text",
	"np parallel":                      "one text is generated: a Go program runs several sessions of a model at once",
	"prompt-cache prompt-cache-* sps slot-prompt-similarity": noCache,
	"ctxcp ctx-checkpoints swa-checkpoints cram cache-ram":   noCache,
	"keep": "--context-shift keeps the token that begins a text, and the later half",

	"C cpu-mask Cr cpu-range cpu-strict Cb cpu-mask-batch Crb cpu-range-batch cpu-strict-batch": noAffinity,
	"prio prio-batch poll poll-batch numa":                                                      noPriority,

	"samplers sampler-seq sampling-seq":                  "the samplers have llama.cpp's order: each is switched off by its own flag",
	"adaptive-target adaptive-decay bs backend-sampling": "this sampler is not in the engine: 'infer help sampling' lists those that are",
	"j json-schema jf json-schema-file":                  noSchema,
	"tfs penalize-nl no-penalize-nl":                     "llama.cpp has it no more: 'infer help sampling' lists what there is",

	"control-vector control-vector-*": noControl,
	"mm mmproj mmu mmproj-* mmproj-url mmdev no-mmproj-offload image image-* audio video": noMedia,

	"o output output-file": "text goes to standard output: > FILE",
	"bf binary-file":       "-f FILE, which drops one newline at the end and nothing else",
	"co color no-color":    "text is written without colours: leave it out",
	"sp special":           "special tokens have no text here: --json shows their numbers",
	"ptc print-token-count perf no-perf show-timings no-show-timings": "figures come at the end: -q for none, --json for more of them",
	"log-file": "the log goes to standard error: -v 2> FILE",
	"lv verbosity log-verbosity log-colors log-prefix no-log-prefix log-timestamps no-log-timestamps log-prompts-dir": noLog,
	"verbose-prompt":          "--echo prints the prompt, 'infer tokenize' its tokens",
	"completion-bash license": "there is none: 'infer help' lists the commands",

	"host port api-key server-base": noServer,
	"embedding embeddings pooling":  "'infer embed' makes vectors of texts",
	"rerank reranking":              "'infer rerank' sorts documents",
})

// byName unfolds keys of several names.
func byName(table map[string]string) map[string]string {
	all := map[string]string{}
	for names, say := range table {
		for _, name := range strings.Fields(names) {
			all[name] = say
		}
	}
	return all
}

// InsteadOf is what to use in place of an option of llama.cpp, "" where it is none.
func InsteadOf(name string) string {
	if say, ok := llamaOnly[name]; ok {
		return say
	}
	for i := len(name) - 1; i > 0; i-- {
		if name[i-1] == '-' {
			if say, ok := llamaOnly[name[:i]+"*"]; ok {
				return say
			}
		}
	}
	return ""
}

// FlashValue is what llama.cpp's words for the value of -fa stand for, "" for others.
func FlashValue(word string) string {
	switch word {
	case "on", "enabled", "true", "1":
		return "on"
	case "off", "disabled", "false", "0":
		return "off"
	case "auto", "-1":
		return "auto"
	}
	return ""
}
