// Package spellings translates other spellings of flags and suggests corrections.
//
// llama.cpp's options are accepted in all their spellings where infer has the same feature. The
// others are refused with an error that names the replacement. Options with one dash are looked up
// before pflag sees them: it would read -cnv as -c nv, and show the help for -hf.
package spellings

import "strings"

// Shorthands maps short flags that pflag cannot define, such as those of several letters, to the
// flags that they stand for.
type Shorthands map[string]string

// Common are the Shorthands that work in all commands that have the flag.
var Common = Shorthands{
	"ngl": "gpu-layers", "ctk": "cache-type-k", "ctv": "cache-type-v", "ub": "ubatch-size", "tb": "threads-batch",
	"sm": "split-mode", "mg": "main-gpu", "ts": "tensor-split", "ot": "override-tensor", "cmoe": "cpu-moe", "ncmoe": "n-cpu-moe", "nkvo": "no-kv-offload",
	"fa": "flash-attn", "nr": "no-repack", "l": "logit-bias", "r": "stop", "sys": "system-prompt", "sysf": "system-prompt-file", "rea": "reasoning", "jf": "json-schema-file",
}

// Names are llama.cpp's other names of flags.
var Names = map[string]string{
	"n-predict": "predict", "n-gpu-layers": "gpu-layers", "reverse-prompt": "stop", "temperature": "temp",
	"typical-p": "typical", "top-n-sigma": "top-nsigma", "log-verbose": "verbose", "usage": "help",
	"models-dir": "models", "sleep-idle-seconds": "idle-timeout",
}

// Switches maps llama.cpp's switches to a flag with a value here, or to "" where they ask for the
// default.
var Switches = map[string]string{
	"display-prompt": "--echo", "no-display-prompt": "--echo=false",
	"no-context-shift": "--context-shift=false",
	"repack":           "--no-repack=false",
	"mmap":             "--load=mmap",
	"log-disable":      "--quiet",

	"no-cnv": "--raw", "no-conversation": "--raw", "st": "", "single-turn": "", "no-jinja": "", "no-mmproj": "", "no-mmproj-auto": "",
	"offline": "", "simple-io": "", "warmup": "", "no-warmup": "",

	"kvo": "--no-kv-offload=false", "kv-offload": "--no-kv-offload=false",
}

// Answers that several options of llama.cpp share.
const (
	noDownload = "models are downloaded by a command of its own: infer pull org/repo:TYPE (or a URL), and then -m with the same name"
	noChat     = "use 'infer chat' for a conversation; -p TEXT is answered by models that have a chat template"
	noFixes    = "turns are written by the chat template: --chat-template-file FILE gives another one, --raw none"
	noDraft    = "draft models are not supported: --lookup drafts tokens from the text"
	noRope     = "the position encoding is taken from the model's file"
	noMedia    = "only text input is supported: use -p TEXT"
	noControl  = "control vectors are not supported: --lora FILE applies an adapter"
	noAffinity = "CPU affinity is not set here: use -t N for the number of threads, and taskset or start /affinity to choose CPUs"
	noPriority = "thread scheduling is not set here: use -t N for the number of threads, and nice or numactl for the rest"
	noLog      = "the log is plain text on standard error: use -v for decisions, -vv for the engine's own log"
	noCache    = "use --prompt-cache FILE, which is read and written: leave the option out"
	noServer   = "'infer serve' answers requests over HTTP"
	fitted     = "options that are not set are fitted to the available memory: 'infer plan' shows how, --max-memory SIZE bounds it, and -g auto fills GPUs up to --gpu-margin SIZE"
	pastCache  = "weights that are streamed within --max-memory SIZE bypass the page cache already"
)

// llamaOnly has llama.cpp's options that infer lacks, with what to use instead. A name that ends
// with * is a prefix.
var llamaOnly = byName(map[string]string{
	"hf hfr hf-repo hff hf-file hft hf-token mu model-url dr docker-repo hfv hfrv hf-repo-v hffv hf-file-v gpt-oss-* vision-gemma-*": noDownload,
	"cl cache-list": "'infer list' lists the models in the folders of models",

	"cnv conversation i interactive if interactive-first ins instruct mli multiline-input sys system-prompt sysf system-prompt-file": noChat,
	"jinja chat-template chat-template-* rea reasoning":                        noChat,
	"in-prefix in-prefix-bos in-suffix skip-chat-parsing no-skip-chat-parsing": noFixes,
	"reasoning-* no-reasoning-*":                                               "use --reasoning show, hide or off, and --chat-template-kwargs for a template's own values",

	"md model-draft hfd hfrd hf-repo-draft ngld gpu-layers-draft n-gpu-layers-draft devd device-draft td threads-draft tbd":    noDraft,
	"threads-batch-draft draft draft-n draft-max draft-min draft-n-min draft-p-min draft-p-split ctkd cache-type-k-draft ctvd": noDraft,
	"cache-type-v-draft cd ctx-size-draft otd override-tensor-draft cmoed cpu-moe-draft ncmoed n-cpu-moe-draft Cd":             noDraft,
	"cpu-mask-draft Crd cpu-range-draft cpu-strict-draft prio-draft poll-draft Cbd cpu-mask-batch-draft":                       noDraft,
	"cpu-strict-batch-draft prio-batch-draft poll-batch-draft spec-*":                                                          noDraft,

	"rope-* yarn-* gan grp-attn-n gaw grp-attn-w": noRope,
	"override-kv": "metadata cannot be overridden: it is taken from the model's file",

	"dev device":               "devices are chosen by --main-gpu N with --split-mode none, or by --tensor-split with shares of 0",
	"list-devices":             "'infer probe' lists the devices",
	"no-host":                  "weights in the CPU's memory are never in a GPU's host buffers: leave the option out",
	"op-offload no-op-offload": "operations are on the device of their layer: use -g N, 0 for all on the CPU",
	"rpc":                      "remote devices are not supported: -g N puts layers on devices of this machine",

	"mlock":                            "memory is not locked: use --load copy for private memory, and --max-memory SIZE to bound it",
	"lm load-mode":                     "use --load auto, mmap, copy or stock",
	"dio direct-io ndio no-direct-io":  pastCache,
	"fit fitt fit-target fitc fit-ctx": fitted,
	"swa-full":                         "the KV cache of a sliding window always has the size of the window",
	"dt defrag-thold":                  "the KV cache holds one text and needs no defragmentation: leave the option out",
	"np parallel":                      "only one text is generated here: 'infer serve -np N' computes several at once",
	"prompt-cache":                     "use --prompt-cache FILE with a prompt, or in 'infer chat'",
	"prompt-cache-* sps slot-prompt-similarity":            noCache,
	"ctxcp ctx-checkpoints swa-checkpoints cram cache-ram": noCache,
	"keep": "--context-shift always keeps the first token of the text and the later half",

	"C cpu-mask Cr cpu-range cpu-strict Cb cpu-mask-batch Crb cpu-range-batch cpu-strict-batch": noAffinity,
	"prio prio-batch poll poll-batch numa":                                                      noPriority,

	"samplers sampler-seq sampling-seq":                  "the order of samplers is llama.cpp's default: switch off single samplers by their flags",
	"adaptive-target adaptive-decay bs backend-sampling": "the engine does not have this sampler: 'infer help sampling' lists those that it has",
	"tfs penalize-nl no-penalize-nl":                     "llama.cpp has removed this option: 'infer help sampling' lists the samplers",

	"control-vector control-vector-*": noControl,
	"mm mmproj mmu mmproj-* mmproj-url mmdev no-mmproj-offload image image-* audio video": noMedia,

	"o output output-file": "text goes to standard output: use > FILE",
	"bf binary-file":       "use -f FILE, which drops only one newline at the end",
	"co color no-color":    "text is written without colours: leave the option out",
	"sp special":           "special tokens are not printed: --json shows their numbers",
	"ptc print-token-count perf no-perf show-timings no-show-timings": "figures are printed at the end: use -q for none, --json for more",
	"log-file": "the log goes to standard error: use -v 2> FILE",
	"lv verbosity log-verbosity log-colors log-prefix no-log-prefix log-timestamps no-log-timestamps log-prompts-dir": noLog,
	"verbose-prompt":          "use --echo to print the prompt, 'infer tokenize' to print its tokens",
	"completion-bash license": "there is none: 'infer help' lists the commands",

	"host port api-key server-base": noServer,
	"embedding embeddings pooling":  "use 'infer embed' to compute vectors of texts",
	"rerank reranking":              "use 'infer rerank' to sort documents",
})

// byName splits keys of several names into one key per name.
func byName(table map[string]string) map[string]string {
	all := map[string]string{}
	for names, say := range table {
		for _, name := range strings.Fields(names) {
			all[name] = say
		}
	}
	return all
}

// InsteadOf returns what to use instead of an option of llama.cpp, or "" if it is not one of
// llamaOnly.
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

// FlashValue translates llama.cpp's values of -fa. It returns "" for other words.
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
