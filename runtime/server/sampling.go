package server

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/schema"
)

// most is the bound of numbers that have none but their type's.
const most = math.MaxInt32

// Limits of lists in requests.
const (
	mostStops   = 64
	mostBiases  = 4096
	mostTop     = 20 // alternatives of a token
	mostBreaker = 64
)

// generation are the fields that chats and completions share.
type generation struct {
	runtime.GenerateOptions
	n            int    // choices
	many         string // the field with n, "" for n
	stream       bool
	includeUsage bool
	timings      bool   // timings with each part of a stream
	length       string // the field with the number of tokens, "" if there was none
}

// generation reads the fields that chats and completions share. lengths are the names of the number of
// tokens, nil for those of both.
func (f *fields) generation(defaults runtime.GenerateOptions, lengths ...string) *generation {
	g := &generation{GenerateOptions: defaults, n: 1}
	f.integer("n", &g.n, 1, 128)
	f.boolean("stream", &g.stream)
	if o := f.object("stream_options"); o != nil {
		o.boolean("include_usage", &g.includeUsage)
		o.only("include_obfuscation", false, "it is not supported: leave it out")
		o.failWithUnknown(f)
		if !g.stream {
			f.fail("stream_options", "it needs \"stream\": true")
		}
	}
	f.boolean("timings_per_token", &g.timings)
	if cache := true; f.boolean("cache_prompt", &cache) {
		g.KeepPrefix, g.Recompute = false, !cache
	}
	if lengths == nil {
		lengths = []string{"max_completion_tokens", "max_tokens", "n_predict"}
	}
	f.length(g, lengths)
	f.stop("stop", &g.Stop)
	f.boolean("ignore_eos", &g.IgnoreEOG)
	f.sampling(&g.Sampling)
	f.penalties(&g.Sampling)
	f.bias(&g.Sampling)
	f.text("grammar", &g.Sampling.Grammar)
	f.only("id_slot", -1, "a prompt goes where most of it is kept: leave it out")
	f.only("n_cache_reuse", 0, "only prefixes are kept: leave it out")
	f.only("return_progress", false, "progress of prompts is not reported: leave it out")
	// They say for whom it is computed and at which price, not what; n_keep is for contexts that are shifted.
	f.ignore("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "n_keep")
	return g
}

// failWithUnknown adds the error of an object's fields, unknown ones included.
func (f *fields) failWithUnknown(to *fields) {
	if e := f.done(); e != nil {
		to.failWith(e)
	}
}

// length reads how many tokens are generated at most, under each of its names; -1 is no limit, as with
// llama-server, and 0 computes the prompt alone.
func (f *fields) length(g *generation, names []string) {
	tokens := 0
	for _, name := range names {
		n := 0
		if !f.integer(name, &n, -1, most) {
			continue
		}
		if g.length != "" && n != tokens {
			f.fail(name, "it differs from %s: give one of them", g.length)
		}
		g.length, tokens = name, n
		g.MaxTokens, g.PromptOnly = max(n, 0), n == 0
	}
}

// stop reads a text or a list of texts at which the generation ends.
func (f *fields) stop(name string, to *[]string) {
	var one string
	if raw := f.raw[name]; len(raw) > 0 && raw[0] == '"' {
		f.text(name, &one)
		f.stops(name, []string{one}, to)
		return
	}
	var list []string
	if f.words(name, &list, mostStops) {
		f.stops(name, list, to)
	}
}

// stops takes texts at which the generation ends.
func (f *fields) stops(name string, list []string, to *[]string) {
	if slices.Contains(list, "") {
		f.fail(name, "an empty text: leave it out")
		return
	}
	*to = list
}

// off translates a number whose zero turns a step off.
func off[T int | float32](n T) T {
	if n == 0 {
		return runtime.Off
	}
	return n
}

// tiny translates an explicit zero, which otherwise means the default.
func tiny(x float32) float32 {
	if x == 0 {
		return 1e-9
	}
	return x
}

// sampling reads how tokens are chosen.
func (f *fields) sampling(s *runtime.Sampling) {
	var x float32
	var n int
	if f.number("temperature", &x, 0, math.MaxFloat32) {
		s.Greedy, s.Temperature = false, off(x)
	}
	if f.number("top_p", &x, 0, 1) {
		s.TopP = tiny(x)
	}
	if f.integer("top_k", &n, -1, most) {
		s.TopK = off(max(n, 0))
	}
	if f.number("min_p", &x, 0, 1) {
		s.MinP = off(x)
	}
	if f.number("typical_p", &x, 0, 1) {
		s.TypicalP = tiny(x)
	}
	if f.number("top_n_sigma", &x, -math.MaxFloat32, math.MaxFloat32) {
		s.TopNSigma = off(max(x, 0))
	}
	if f.number("dynatemp_range", &x, 0, math.MaxFloat32) {
		s.DynatempRange = off(x)
	}
	if f.number("dynatemp_exponent", &x, 0, math.MaxFloat32) {
		s.DynatempExponent = tiny(x)
	}
	if f.number("xtc_probability", &x, 0, 1) {
		s.XTCProbability = off(x)
	}
	if f.number("xtc_threshold", &x, 0, 1) {
		s.XTCThreshold = tiny(x)
	}
	if f.integer("mirostat", &n, 0, 2) {
		s.Mirostat = off(n)
	}
	if f.number("mirostat_tau", &x, 0, math.MaxFloat32) {
		s.MirostatTau = tiny(x)
	}
	if f.number("mirostat_eta", &x, 0, math.MaxFloat32) {
		s.MirostatEta = tiny(x)
	}
	f.seed(s)
}

// seed reads a seed; -1 and llama.cpp's largest number mean a random one.
func (f *fields) seed(s *runtime.Sampling) {
	var seed json.Number
	if !f.into("seed", "a whole number", &seed) {
		return
	}
	n, err := strconv.ParseInt(seed.String(), 10, 64)
	if err != nil {
		f.fail("seed", "%s is not a whole number of 64 bits", seed)
		return
	}
	if n == -1 || n == math.MaxUint32 {
		s.Seed = nil
		return
	}
	folded := uint32(n) ^ uint32(uint64(n)>>32)
	if n < 0 {
		folded = uint32(n)
	}
	s.Seed = &folded
}

// penalties reads what makes repetitions less likely.
func (f *fields) penalties(s *runtime.Sampling) {
	var x float32
	var n int
	if f.number("presence_penalty", &x, -math.MaxFloat32, math.MaxFloat32) {
		s.PresencePenalty = off(x)
	}
	if f.number("frequency_penalty", &x, -math.MaxFloat32, math.MaxFloat32) {
		s.FrequencyPenalty = off(x)
	}
	if f.number("repeat_penalty", &x, 1e-6, math.MaxFloat32) {
		s.RepeatPenalty = x
	}
	if f.integer("repeat_last_n", &n, -1, most) {
		s.PenaltyLastN = off(n)
	}
	if f.number("dry_multiplier", &x, 0, math.MaxFloat32) {
		s.DRYMultiplier = off(x)
	}
	if f.number("dry_base", &x, 0, math.MaxFloat32) {
		if s.DRYBase = x; x < 1 { // the engine's convention
			s.DRYBase = runtime.Off
		}
	}
	if f.integer("dry_allowed_length", &n, 1, most) {
		s.DRYAllowedLength = n
	}
	if f.integer("dry_penalty_last_n", &n, -1, most) {
		s.DRYPenaltyLastN = off(n)
	}
	var breakers []string
	if f.words("dry_sequence_breakers", &breakers, mostBreaker) {
		s.DRYBreakers = breakers
	}
}

// bias reads logit_bias in OpenAI's form, an object of biases by token, or in llama.cpp's, an
// array of pairs of a token and a bias, false to ban it.
func (f *fields) bias(s *runtime.Sampling) {
	raw := f.take("logit_bias")
	if raw == nil {
		return
	}
	const want = "want an object {\"ID\": BIAS} or an array [[ID, BIAS], [ID, false]]"
	if !f.few("logit_bias", raw, mostBiases, "tokens") {
		return
	}
	byID := map[string]json.RawMessage{}
	if json.Unmarshal(raw, &byID) != nil {
		var pairs [][]json.RawMessage
		if json.Unmarshal(raw, &pairs) != nil || slices.ContainsFunc(pairs, func(p []json.RawMessage) bool { return len(p) != 2 }) {
			f.fail("logit_bias", want)
			return
		}
		for _, p := range pairs {
			byID[string(p[0])] = p[1]
		}
	}
	all := map[int32]float32{}
	for id, bias := range byID {
		n, err := strconv.ParseInt(id, 10, 32)
		if err != nil {
			f.fail("logit_bias", "%s is not a token's number", id)
			return
		}
		x := math.Inf(-1)
		if string(bias) != "false" && (string(bias) == "null" || json.Unmarshal(bias, &x) != nil) {
			f.fail("logit_bias", want)
			return
		}
		all[int32(n)] = float32(x)
	}
	s.LogitBias = all
}

// constraint reads response_format and llama.cpp's json_schema into a grammar, and reports whether
// there is one.
func (f *fields) constraint(s *runtime.Sampling) bool {
	from, text := "", json.RawMessage(nil)
	if o := f.object("response_format"); o != nil {
		from, text = o.format("json_schema")
		o.failWithUnknown(f)
	}
	return f.constrain(s, from, text)
}

// format reads the format of an answer: the schema, and the field that it is from, "" for none. The
// schema of json_schema is in the object inner; inner "" is the format itself.
func (f *fields) format(inner string) (from string, text json.RawMessage) {
	kind, whole := "", strings.TrimSuffix(f.path, ".")
	f.choice("type", &kind, "text", "json_object", "json_schema")
	switch kind {
	case "json_object":
		from, text = whole, f.take("schema") // llama.cpp's
		if text == nil {
			text = json.RawMessage(`{"type":"object"}`)
		}
	case "json_schema":
		in, missing := f, "schema is missing"
		if inner != "" {
			in, missing = f.object(inner), inner+"."+missing
		}
		if in != nil {
			from, text = in.path+"schema", in.take("schema")
			in.ignore("name", "description", "strict") // the answer always obeys
		}
		if in != nil && in != f {
			in.failWithUnknown(f)
		}
		if text == nil {
			f.failWith(badField(whole, "%s", missing))
		}
	case "":
		f.failWith(badField(whole, "type is missing: use text, json_object or json_schema"))
	}
	return from, text
}

// constrain makes a schema the grammar, or llama.cpp's json_schema, and reports whether there is one. from
// is the field of the schema, "" for none.
func (f *fields) constrain(s *runtime.Sampling, from string, text json.RawMessage) bool {
	if raw := f.take("json_schema"); raw != nil {
		if from != "" {
			f.fail("json_schema", "it and %s exclude each other", from)
		}
		from, text = "json_schema", raw
	}
	if from == "" || f.err != nil {
		return false
	}
	if s.Grammar != "" {
		f.fail("grammar", "it and %s exclude each other", from)
		return false
	}
	if !f.small(from, text) {
		return false
	}
	grammar, err := schema.Grammar(text, schema.Options{})
	if err != nil {
		e := badField(from, "%s", err)
		e.code = "invalid_schema"
		f.failWith(e)
		return false
	}
	s.Grammar = grammar
	return true
}
