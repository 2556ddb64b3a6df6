package main

import (
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/cmd/infer/internal/values"
)

func TestLlamaCppsOptionsAreKnown(t *testing.T) {
	// What llama-cli and llama-completion list, less what infer has by the same name.
	for _, option := range strings.Fields(`
		-cl --cache-list --completion-bash --verbose-prompt -C --cpu-mask -Cr --cpu-range --cpu-strict --prio --poll -Cb
		--cpu-mask-batch -Crb --cpu-range-batch --cpu-strict-batch --prio-batch --poll-batch --keep --swa-full --perf --no-perf
		-bf --binary-file --rope-scaling --rope-scale --rope-freq-base --rope-freq-scale --yarn-orig-ctx --yarn-ext-factor
		--yarn-attn-factor --yarn-beta-slow --yarn-beta-fast --no-host -dt --defrag-thold -np --parallel
		--rpc --mlock -dio --direct-io -ndio --no-direct-io -lm --load-mode --numa -dev --device --list-devices
		-fit --fit
		-fitt --fit-target -fitc --fit-ctx --override-kv --op-offload --no-op-offload --control-vector --control-vector-scaled
		--control-vector-layer-range -mu --model-url -dr --docker-repo -hf -hfr --hf-repo -hff --hf-file -hfv -hfrv --hf-repo-v
		-hffv --hf-file-v -hft --hf-token --log-file --log-colors -lv --verbosity --log-verbosity --log-prefix --no-log-prefix
		--log-timestamps --no-log-timestamps -ctkd --cache-type-k-draft -ctvd --cache-type-v-draft --samplers --sampler-seq
		--sampling-seq --adaptive-target --adaptive-decay -bs --backend-sampling
		--server-base -co --color -ctxcp --ctx-checkpoints --swa-checkpoints -cram --cache-ram 
		--show-timings --no-show-timings -ptc --print-token-count --prompt-cache-all
		--prompt-cache-ro -sp --special -cnv --conversation -i --interactive -if --interactive-first -mli
		--multiline-input --in-prefix-bos --in-prefix --in-suffix -mm --mmproj -mmu --mmproj-url --mmproj-auto
		--mmproj-offload --no-mmproj-offload -mmdev --mmproj-device --image --audio --video --image-min-tokens
		--image-max-tokens -o --output --output-file -gan --grp-attn-n -gaw --grp-attn-w 
		--reasoning-format --reasoning-effort --reasoning-budget
		--reasoning-budget-message --reasoning-preserve --no-reasoning-preserve --skip-chat-parsing --no-skip-chat-parsing
		--log-prompts-dir --spec-draft-hf -hfd -hfrd --hf-repo-draft -td --threads-draft -tbd --threads-batch-draft -Cd
		--cpu-mask-draft -Crd --cpu-range-draft --cpu-strict-draft --prio-draft --poll-draft -Cbd --cpu-mask-batch-draft
		--cpu-strict-batch-draft --prio-batch-draft --poll-batch-draft -otd --override-tensor-draft -cmoed --cpu-moe-draft
		-ncmoed --n-cpu-moe-draft --draft-p-split --draft-p-min -devd --device-draft -ngld --gpu-layers-draft
		--n-gpu-layers-draft --spec-draft-model -md --model-draft --spec-type --spec-ngram-mod-n-min --draft --draft-n
		--draft-max --draft-min --draft-n-min --gpt-oss-20b-default --vision-gemma-4b-default --spec-default --license`) {
		for _, args := range [][]string{{option}, {option, "x"}, {"-m", "x.gguf", option, "org/repo", "-p", "hello"}, {"plan", option}, {option + "=4"}} {
			r := call(t, args...)
			line, rest, _ := strings.Cut(r.stderr, "\n")
			if r.code != exitUsage || r.out != "" || rest != "" || !strings.HasPrefix(line, "infer: "+option+": ") || len(line) < len(option)+20 {
				t.Errorf("%q: exit code %d, stdout %q, stderr %q", args, r.code, r.out, r.stderr)
			}
		}
	}
}

func TestLlamaCppsSpellingsWork(t *testing.T) {
	for args, is := range map[string]func(*generateConfig) bool{
		"-sys x --jinja":                func(c *generateConfig) bool { return c.chat.system == "x" && !c.chat.raw },
		"-sysf f -st --chat-template x": func(c *generateConfig) bool { return c.chat.systemFile == "f" && c.chat.template == "x" },
		"-rea hide --prompt-cache f":    func(c *generateConfig) bool { return c.chat.reasoning == "hide" && c.chat.promptCache == "f" },
		"-no-cnv":                       func(c *generateConfig) bool { return c.chat.raw },
		"-no-cnv --no-warmup --simple-io --no-jinja --offline": func(c *generateConfig) bool { return true },
		"--no-conversation -n 3":                               func(c *generateConfig) bool { return c.predict == 3 },
		"--mmap":                                               func(c *generateConfig) bool { return c.load == "mmap" },
		"--no-mmap":                                            func(c *generateConfig) bool { return c.noMMap },
		"-nr":                                                  func(c *generateConfig) bool { return c.noRepack },
		"--no-repack --repack":                                 func(c *generateConfig) bool { return !c.noRepack },
		"--display-prompt":                                     func(c *generateConfig) bool { return c.echo },
		"--display-prompt --no_display_prompt":                 func(c *generateConfig) bool { return !c.echo },
		"--context-shift --no-context-shift":                   func(c *generateConfig) bool { return !c.contextShift },
		"--log-disable":                                        func(c *generateConfig) bool { return c.quiet },
		"-ngl all":                                             func(c *generateConfig) bool { return c.gpuLayers == -1 },
		"-ngl auto -ts 3,1/0.5 -mg 1 -sm none": func(c *generateConfig) bool {
			return c.gpuLayers == values.AutoLayers && len(c.tensorSplit) == 3 && c.mainGPU == 1 && c.splitMode == "none"
		},
		"-ot exps=CPU,attn=Vulkan0 -ot a=B -cmoe -ncmoe 3 -nkvo": func(c *generateConfig) bool {
			return len(c.overrides) == 3 && c.overrides[1].Device == "Vulkan0" && c.cpuMoE && c.cpuMoELayers == 3 && c.noKVOffload
		},
		"-nkvo --kv-offload": func(c *generateConfig) bool { return !c.noKVOffload },
		"--n-gpu-layers 7":   func(c *generateConfig) bool { return c.gpuLayers == 7 },
		"-fa 1":              func(c *generateConfig) bool { return c.flash == "on" },
		"-fa auto -t 2":      func(c *generateConfig) bool { return c.flash == "auto" && c.threads == 2 },
		"--flash_attn=false": func(c *generateConfig) bool { return c.flash == "off" },
		"-fa -c 32":          func(c *generateConfig) bool { return c.flash == "on" && c.ctx == 32 },
		"-j {} -n 3":         func(c *generateConfig) bool { return c.schema == "{}" && c.predict == 3 },
		"-jf a.json":         func(c *generateConfig) bool { return c.schemaFile == "a.json" },
		"-p -hf":             func(c *generateConfig) bool { return c.prompt == "-hf" },
		"--prompt -cnv -q":   func(c *generateConfig) bool { return c.prompt == "-cnv" && c.quiet },
		"-qv":                func(c *generateConfig) bool { return c.quiet && c.verbose == 1 },
		"-c32":               func(c *generateConfig) bool { return c.ctx == 32 },
	} {
		c, err := parseGenerate(strings.Fields(args)...)
		if err != nil || !is(c) {
			t.Errorf("%s: %v, %+v", args, err, c)
		}
	}
	p := planCommand()
	if rest, err := p.parse([]string{"-ctk", "q8_0", "-fa", "on", "model.gguf"}); err != nil || len(rest) != 1 || p.flags.Lookup("flash-attn").Value.String() != "on" {
		t.Errorf("of plan: %q, %v", rest, err)
	}
}

func TestOneDashDoesNotShowTheHelp(t *testing.T) {
	for _, args := range [][]string{{"-hello"}, {"inspect", "-hx"}, {"tokenize", "-ngl", "3"}, {"probe", "-help"}} {
		if r := call(t, args...); r.code != exitUsage || r.out != "" {
			t.Errorf("%q: exit code %d, stdout %.40q, stderr %q", args, r.code, r.out, r.stderr)
		}
	}
	for _, args := range [][]string{{"-h"}, {"-qh"}, {"inspect", "-h"}, {"--usage"}} {
		if r := call(t, args...); r.code != 0 || r.stderr != "" {
			t.Errorf("%q: exit code %d, stderr %q", args, r.code, r.stderr)
		}
	}
}
