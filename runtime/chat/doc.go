// Package chat turns conversations into prompts by a model's chat template, and holds
// conversations in a session.
//
// A [Template] is Jinja, as transformers renders it: the model's own ([ForModel]), or another
// ([Parse]). Templates are data from strangers: a rendering is bounded in steps, bytes and depth,
// and reaches nothing but the conversation. Special tokens that the template writes become those
// tokens; in what users and models wrote, their names stay text ([Template.Tokens]).
//
//	t, err := chat.ForModel(m, "")
//	c := chat.New(m, s, t)
//	for e, err := range c.Ask(ctx, "Why is the sky blue?", runtime.GenerateOptions{}) {
//	    fmt.Print(e.Text)
//	}
//
// A [Conversation] keeps the session's KV cache of what does not change from turn to turn, and drops
// the oldest turns when the context is full.
package chat
