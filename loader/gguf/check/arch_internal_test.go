package check

import (
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/internal/memtest"
)

// engineSource returns a file of the engine's sources, and skips the test where
// they are not there.
func engineSource(t *testing.T, name string) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/ollama/ollama").Output()
	if err != nil || len(strings.TrimSpace(string(dir))) == 0 {
		t.Skipf("the sources of github.com/ollama/ollama are not in the module cache: %v", err)
	}
	b, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "llama", "llama.cpp", "src", name))
	if err != nil {
		t.Skip(err)
	}
	return string(b)
}

func TestEveryArchitectureOfTheEngineHasARule(t *testing.T) {
	memtest.WithoutRace(t)
	source := engineSource(t, "llama-arch.cpp")
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`\{ LLM_ARCH_\w+, +"([^"]+)" +\}`).FindAllStringSubmatch(source, -1) {
		if m[1] != "(unknown)" {
			known[m[1]] = true
		}
	}
	if len(known) < 100 {
		t.Fatalf("only %d architectures found: has the table another form?", len(known))
	}
	for name := range known {
		if _, ok := architectures[name]; !ok {
			t.Errorf("the engine knows %q, there is no rule for it", name)
		}
	}
	for name := range architectures {
		if !known[name] {
			t.Errorf("there is a rule for %q, which the engine does not know", name)
		}
	}
}

// The rules name the keys that the engine reads of an architecture, so that their
// types can be checked.
func TestRulesNameTheKeysThatTheEngineReads(t *testing.T) {
	names := map[string]string{}
	for _, m := range regexp.MustCompile(`\{ (LLM_KV_\w+), +"([^"]+)" +\}`).FindAllStringSubmatch(engineSource(t, "llama-arch.cpp"), -1) {
		names[m[1]] = strings.TrimPrefix(m[2], "%s.")
		if names[m[1]] == m[2] {
			names[m[1]] = "/" + m[2]
		}
	}
	enums := map[string]string{}
	for _, m := range regexp.MustCompile(`\{ (LLM_ARCH_\w+), +"([^"]+)" +\}`).FindAllStringSubmatch(engineSource(t, "llama-arch.cpp"), -1) {
		enums[m[1]] = m[2]
	}
	model := engineSource(t, "llama-model.cpp")
	_, model, _ = strings.Cut(model, "// arch-specific KVs")
	model, _, _ = strings.Cut(model, "void llama_model::load_vocab")
	var waiting []string // cases that fall through to the next
	read := regexp.MustCompile(`get_key(?:_or_arr)?\((LLM_KV_\w+)`)
	for _, block := range regexp.MustCompile(`\n        case `).Split(model, -1) {
		m := regexp.MustCompile(`^(LLM_ARCH_\w+):`).FindStringSubmatch(block)
		if m == nil {
			continue
		}
		waiting = append(waiting, enums[m[1]])
		for _, arch := range waiting {
			rule := architectures[arch]
			keys := " " + strings.ReplaceAll(commonKeys+" "+rule.keys, "?", "") + " "
			for _, k := range read.FindAllStringSubmatch(block, -1) {
				name := names[k[1]]
				if strings.HasPrefix(name, "attention.block_skip_connection") || arch == "ernie4_5" {
					continue // read by number; read for ernie4_5-moe only
				}
				if !strings.Contains(keys, " "+name+" ") {
					t.Errorf("%s: the engine reads %s, the rule does not name it", arch, name)
				}
			}
		}
		if strings.Contains(block, "\n            } break;") || strings.Contains(block, "\n            break;") {
			waiting = nil
		}
	}
}

func TestElementwiseTensorsAreTheEngines(t *testing.T) {
	source := engineSource(t, "llama-arch.cpp")
	names := map[string]string{}
	for _, m := range regexp.MustCompile(`\{ (LLM_TENSOR_\w+), +"([^"]+)" +\}`).FindAllStringSubmatch(source, -1) {
		names[m[1]] = m[2]
	}
	layer := regexp.MustCompile(`^((enc|dec)\.)?(blk|posnet|convnext)\.%d\.`)
	for _, m := range regexp.MustCompile(`\{(LLM_TENSOR_\w+), +\{LLM_TENSOR_LAYER_\w+, +GGML_OP_(\w+)\}\}`).FindAllStringSubmatch(source, -1) {
		kind := layer.ReplaceAllString(names[m[1]], "")
		switch m[2] {
		case "MUL_MAT", "MUL_MAT_ID", "GET_ROWS", "IM2COL", "NONE":
			if elementwise[kind] && kind != "token_types" {
				t.Errorf("%s is multiplied as a matrix (%s)", kind, m[2])
			}
		default:
			if !elementwise[kind] && !isNorm(kind) && kind != "cross_attn_rel_b" {
				t.Errorf("%s is used element by element (%s)", kind, m[2])
			}
		}
	}
}

func TestKeysOfRulesAreWellFormed(t *testing.T) {
	for e, rules := range map[Engine]map[string]archRule{EngineBuiltin: architectures, EngineV0_5: architecturesV0_5} {
		for arch, rule := range rules {
			seen := map[string]bool{}
			for _, name := range strings.Fields(e.keyNames(&rule)) {
				name = strings.TrimSuffix(name, "?")
				if seen[name] {
					t.Errorf("%v: %s: %s twice", e, arch, name)
				}
				seen[name] = true
			}
		}
	}
	for name := range keyTypes {
		if strings.HasSuffix(name, "?") {
			t.Errorf("key type of %q", name)
		}
	}
}

// Every architecture that an engine can run has a small model, of which the rules are tried.
func TestEveryArchitectureHasAModel(t *testing.T) {
	for e, models := range map[Engine]iter.Seq2[string, []byte]{EngineBuiltin: ggufcases.Architectures(), EngineV0_5: ggufcases.ArchitecturesV0_5()} {
		there := map[string]bool{}
		for name := range models {
			arch, _, _ := strings.Cut(name, " ")
			there[arch] = true
		}
		known := 0
		for _, rules := range []map[string]archRule{architectures, architecturesV0_5} {
			for arch := range rules {
				rule, ok := e.architecture(arch)
				if !ok || rule.refused != "" {
					continue
				}
				known++
				if !there[arch] {
					t.Errorf("%v: there is no model of %s", e, arch)
				}
			}
		}
		if known < 100 {
			t.Errorf("%v: only %d architectures", e, known)
		}
	}
}
