# infer: `make run` and `make test` are all that a fresh machine needs, beside Go,
# gcc, g++ and make.

GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
BENCH       ?= .
PROMPT      ?= Once upon a time

# The engine is compiled by cgo with these flags: without them it is 10 to 20 times
# slower. A program built elsewhere wants the three lines that `infer version` prints.
export CGO_CFLAGS   := -O3 -march=native
export CGO_CXXFLAGS := -O3 -march=native
# -march=native means another thing on another CPU, which Go's build cache cannot
# know: the name of what it means here keeps a shared cache from mixing them up.
CPU := $(firstword $(shell gcc -march=native -Q --help=target 2>/dev/null | cksum))
export CGO_CPPFLAGS := -DGGML_USE_CPU_REPACK -DINFER_CPU=$(CPU)
export CGO_ENABLED  := 1

.PHONY: help
help: ## show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: build ## build, then generate from the embedded model (PROMPT="...")
	bin/infer --prompt "$(PROMPT)"

.PHONY: build
build: tools ## compile bin/infer for this machine's CPU
	$(GO) build -o bin/infer ./cmd/infer

# One package at a time: the engine's threads wait for each other by spinning, and
# are many times slower where they have to share CPUs. The tests run in full once; with another
# engine, under wine and under the race detector they are -short: those that would show the same
# there have fewer cases, or are skipped.
.PHONY: test
test: lint build ## everything that must hold: lint, tests, tests under the race detector
	@command -v qemu-x86_64 >/dev/null || echo "make test: skipped: the test on CPUs of earlier levels, missing qemu-user: apt-get install qemu-user"
	INFER_BIN="$(CURDIR)/bin/infer" $(GO) test -p 1 -timeout 30m ./...
	@if $(MAKE) engine >/dev/null; then $(MAKE) test-engine; else echo "make test: skipped: the tests with llama.cpp v0.5, whose libraries could not be fetched"; fi
	@if [ "$$(uname -sm)" = "Linux x86_64" ] && $(MAKE) engine ENGINE=linux-x64-vulkan >/dev/null; then $(MAKE) test-devices; else echo "make test: skipped: the tests on devices, for which libraries with Vulkan could not be fetched"; fi
	@lacking="$$($(WINE) missing)"; if [ -n "$$lacking" ]; then echo "make test: skipped: the tests for Windows, missing $$lacking"; else $(MAKE) test-windows; fi
	$(GO) build -race ./...
	$(GO) test -p 2 -short -race -timeout 30m ./internal/files ./loader/... ./models/...
	$(GO) test -p 1 -short -race -timeout 30m ./runtime/... ./llama/...

# The same tests with an engine from libraries. Go's cache of results does not know which engine ran.
.PHONY: test-engine
test-engine: engine ## tests of llama and runtime with llama.cpp v0.5
	INFER_TEST_ENGINE="$(CURDIR)/$(ENGINE_FOLDER)" $(GO) test -short -count=1 -p 1 -timeout 30m ./llama ./runtime

# Mesa's lavapipe is a Vulkan device on CPUs. It is no device by default; named twice, it is two.
.PHONY: test-devices
test-devices: ENGINE = linux-x64-vulkan
test-devices: engine ## tests on GPUs, or on two of Mesa's lavapipe, with llama.cpp v0.5 and Vulkan
	@ls /usr/share/vulkan/icd.d/*.json >/dev/null 2>&1 || echo "make test-devices: no Vulkan driver: apt-get install mesa-vulkan-drivers"
	GGML_VK_VISIBLE_DEVICES="$${GGML_VK_VISIBLE_DEVICES:-0,0}" INFER_TEST_ENGINE="$(CURDIR)/$(ENGINE_FOLDER)" $(GO) test -count=1 -p 1 -run 'Device|Placement' ./llama ./runtime

# One set of flags for all that is cross-compiled, so that Go's build cache serves it: the
# engine takes five minutes of CPU, once.
WINDOWS_TESTS ?= ./internal/clock ./internal/files ./loader/... ./models/... ./llama/... ./runtime ./runtime/chat ./cmd/infer/...
WINE := $(CURDIR)/internal/winetest/wine
level = CGO_CFLAGS="-O3 -march=x86-64-$(1)" CGO_CXXFLAGS="-O3 -march=x86-64-$(1)" \
	CGO_CPPFLAGS="-DGGML_USE_CPU_REPACK -DINFER_CPU=x86-64-$(1)"
windows_level = env GOOS=windows GOARCH=amd64 CC=x86_64-w64-mingw32-gcc-posix CXX=x86_64-w64-mingw32-g++-posix \
	$(call level,$(1)) CGO_LDFLAGS=-static
linux_level = env GOOS=linux GOARCH=amd64 $(call level,$(1)) CGO_LDFLAGS="-static-libgcc -static-libstdc++"
WINDOWS := $(call windows_level,v3)
# Parts of a program that begin in its file at a multiple of a page are mapped by wine; others are
# read whole at each start.
ALIGNED := -extldflags=-Wl,--file-alignment,4096

.PHONY: windows
windows: ## cross-compile bin/windows/infer.exe, for x86-64-v3, with mingw
	@lacking="$$($(WINE) missing)"; case "$$lacking" in *mingw*) echo "make windows: missing $$lacking"; exit 1;; esac
	$(WINDOWS) $(GO) build -ldflags "$(ALIGNED)" -o bin/windows/infer.exe ./cmd/infer

# What is to hold on Windows, under wine: the same tests, cross-compiled. Those of llama/start
# compile programs: they run here, and the programs under wine.
.PHONY: test-windows
test-windows: windows ## cross-compiled tests under wine, where mingw and wine are installed
	@lacking="$$($(WINE) missing)"; if [ -n "$$lacking" ]; then echo "make test-windows: missing $$lacking"; exit 1; fi
	$(WINE) fresh
	INFER_WINE="$(WINE) run" $(GO) test -run /wine ./llama/start
	INFER_BIN=bin/windows/infer.exe $(WINDOWS) $(GO) test -short -p 1 -timeout 30m -ldflags "$(ALIGNED)" -exec "$(WINE) next" $(WINDOWS_TESTS)
	$(WINE) end

# A benchmark, not a test: the same program for Linux and for Windows under wine, alternately,
# with the same flags.
.PHONY: bench-windows
bench-windows: windows ## start and generation under wine beside Linux (compiles the engine for Linux x86-64-v3)
	@lacking="$$($(WINE) missing)"; if [ -n "$$lacking" ]; then echo "make bench-windows: missing $$lacking"; exit 1; fi
	$(call linux_level,v3) $(GO) $(call release_build) -o bin/windows/infer-linux ./cmd/infer
	x86_64-w64-mingw32-gcc-posix -O2 -s -o bin/windows/empty.exe internal/winetest/empty.c
	$(WINE) fresh
	CGO_ENABLED=0 $(GO) run ./internal/winetest/compare --linux bin/windows/infer-linux --windows bin/windows/infer.exe \
		--empty bin/windows/empty.exe --wine "$(WINE) run" --models bin/bench
	$(WINE) end

# A release has a build for CPUs with AVX2 (x86-64-v3), and one for those without (v2) that the
# first runs in its place on such a CPU. The same commit and compilers make the same bytes.
RELEASE := bin/release
release_build = build -trimpath -ldflags "-s -w $(1)"
DOC ?= /usr/share/doc

.PHONY: release
release: tools ## archives for Windows and Linux in bin/release (compiles the engine four times: 25 minutes of CPU)
	@lacking="$$($(WINE) missing)"; case "$$lacking" in *mingw*) echo "make release: missing $$lacking"; exit 1;; esac
	$(call linux_level,v3) $(GO) $(call release_build) -o $(RELEASE)/programs/linux/infer ./cmd/infer
	$(call linux_level,v2) $(GO) $(call release_build) -o $(RELEASE)/programs/linux/infer-v2 ./cmd/infer
	$(call windows_level,v3) $(GO) $(call release_build,$(ALIGNED)) -o $(RELEASE)/programs/windows/infer.exe ./cmd/infer
	$(call windows_level,v2) $(GO) $(call release_build,$(ALIGNED)) -o $(RELEASE)/programs/windows/infer-v2.exe ./cmd/infer
	CGO_ENABLED=0 $(GO) run ./internal/release --programs $(RELEASE)/programs --out $(RELEASE) --time "$$(git log -1 --format=%ct)" \
		--text linux/gcc/copyright=$(DOC)/gcc-$$(gcc -dumpversion | cut -d. -f1)-base/copyright \
		--text windows/gcc/copyright=$(DOC)/gcc-mingw-w64-x86-64-posix-runtime/copyright \
		--text windows/mingw-w64/copyright=$(DOC)/mingw-w64-x86-64-dev/copyright

# Engines that are shared libraries, from npm's packages of one version: ENGINE is one of those below,
# each with npm's integrity. The folder is printed; one that is there is not fetched again.
ENGINE         ?= $(if $(filter aarch64,$(shell uname -m)),linux-arm64,linux-x64)
ENGINE_VERSION := 3.22.1
INTEGRITY_linux-arm64      := sha512-W+7naKCXX9/eEjjFmRS8vvx91QyLXDbeFxexZc3bh/PtQABZgmRL3C0AtYYXn4YGTj/3Qor4lWZn2tpjZFPLdQ==
INTEGRITY_linux-x64        := sha512-5uCCDNqWCNfaAm8aR/Uzxbo4HBpKgNF91kCHPepKhgMgV2OAmatoefbOlMihsqCiH2Od35E/eUHQCFbfRBJuOg==
INTEGRITY_linux-x64-cuda   := sha512-8rQCjyNNLZJUFit+YpjwlC4hwkKgOMIkB2wuycKBf8NU2O3ySKbiWZQ8aw9ku2nUTXjSnUIrE6KB88itduTBuA==
INTEGRITY_linux-x64-vulkan := sha512-bBxqU+JOcBu1nb5Qj2zcMci+JByT1E8EajHvYodyNfVIPkEhXh+/HMwR1/BT7xP08YK0hks+kM8fglER0P8JEg==
ENGINE_FOLDER   = bin/engine/$(ENGINE)

.PHONY: engine
engine: ## llama.cpp v0.5.0 as libraries, by npm, in bin/engine (ENGINE=linux-x64-vulkan)
	@$(if $(INTEGRITY_$(ENGINE)),,echo "make engine: no integrity is known for ENGINE=$(ENGINE)" >&2; exit 1)
	@[ -e "$(ENGINE_FOLDER)/.version-$(ENGINE_VERSION)" ] || { \
		command -v npm >/dev/null || { echo "make engine: npm is missing: apt-get install npm" >&2; exit 1; }; \
		command -v $(GO) >/dev/null || { echo "make engine: $(GO) is missing: install Go 1.26 or later" >&2; exit 1; }; \
		tmp="$$(mktemp -d)" && trap 'rm -rf "$$tmp"' EXIT && \
		file="$$(npm pack --silent --ignore-scripts --pack-destination "$$tmp" "@node-llama-cpp/$(ENGINE)@$(ENGINE_VERSION)")" && \
		CGO_ENABLED=0 $(GO) run ./cmd/infer engine add --force --quiet --dir "$(dir $(ENGINE_FOLDER))" --name "$(ENGINE)" --integrity "$(INTEGRITY_$(ENGINE))" "$$tmp/$$file" && \
		touch "$(ENGINE_FOLDER)/.version-$(ENGINE_VERSION)"; }
	@echo "$(CURDIR)/$(ENGINE_FOLDER)"

# Tools of llama.cpp v0.5.0, to compare with: from the sources that npm's node-llama-cpp has (a git
# bundle), with the libraries of `make engine`.
SOURCES_INTEGRITY := sha512-bltIipuWmc123H7tMIgDGKSsSrhmhlQYeVUC48XTjVW7XGJJiJJyCdlTMzQ/LiWoPkGDpcL4FviDpgw7qfTiDw==
LLAMA_TOOLS   := bin/llama-tools
LLAMA_SOURCES := $(LLAMA_TOOLS)/llama.cpp-$(ENGINE_VERSION)
LLAMA_JOBS    ?= 2

.PHONY: llama-sources
llama-sources:
	@[ -e "$(LLAMA_SOURCES)" ] || { \
		for t in npm node git tar; do command -v $$t >/dev/null || { echo "make llama-sources: $$t is missing: apt-get install npm git" >&2; exit 1; }; done; \
		tmp="$$(mktemp -d)" && trap 'rm -rf "$$tmp"' EXIT && mkdir -p "$(LLAMA_TOOLS)" && \
		file="$$(npm pack --silent --ignore-scripts --pack-destination "$$tmp" "node-llama-cpp@$(ENGINE_VERSION)")" && \
		has="sha512-$$(node -e 'process.stdout.write(require("crypto").createHash("sha512").update(require("fs").readFileSync(process.argv[1])).digest("base64"))' "$$tmp/$$file")" && \
		{ [ "$$has" = "$(SOURCES_INTEGRITY)" ] || { echo "make llama-sources: $$file is not what it was: $$has" >&2; exit 1; }; } && \
		tar -xzf "$$tmp/$$file" -C "$$tmp" package/llama/gitRelease.bundle && \
		git -c advice.detachedHead=false clone --quiet "$$tmp/package/llama/gitRelease.bundle" "$$tmp/llama.cpp" && \
		rm -rf "$(LLAMA_SOURCES)" && mv "$$tmp/llama.cpp" "$(LLAMA_SOURCES)"; }

.PHONY: llama-server
llama-server: engine llama-sources ## llama-server of llama.cpp v0.5.0 in bin/llama-tools, for `infer bench serve --peer` (10 minutes of CPU)
	JOBS=$(LLAMA_JOBS) internal/llamatools/build llama-server "$(LLAMA_SOURCES)" "$(ENGINE_FOLDER)" "$(LLAMA_TOOLS)"

.PHONY: llama-bench
llama-bench: engine llama-sources ## llama-bench of llama.cpp v0.5.0 in bin/llama-tools, for `infer bench speed --peer`
	JOBS=$(LLAMA_JOBS) internal/llamatools/build llama-bench "$(LLAMA_SOURCES)" "$(ENGINE_FOLDER)" "$(LLAMA_TOOLS)"

.PHONY: lint
lint: tools ## gofmt, vet (Linux, Windows, macOS, no cgo), staticcheck, sizes of functions and packages
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt -w these files:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	CGO_ENABLED=0 GOOS=linux   $(GO) vet ./...
	CGO_ENABLED=0 GOOS=windows $(GO) vet ./...
	CGO_ENABLED=0 GOOS=darwin  $(GO) vet ./...
	@lacking="$$($(WINE) missing)"; case "$$lacking" in *mingw*) echo "make lint: skipped: vet for Windows with cgo, missing $$lacking";; *) set -x; $(WINDOWS) $(GO) vet ./...;; esac
	GOBIN="$(CURDIR)/bin" $(GO) install $(STATICCHECK)
	bin/staticcheck ./...
	CGO_ENABLED=0 GOOS=windows bin/staticcheck ./internal/files ./loader/... ./models/... ./runtime/... ./benchmarks/... ./cmd/...
	CGO_ENABLED=0 $(GO) test ./internal/rooms

# Memory that the engine takes for itself is watched; tensors are in blocks of the loader's.
ASANFLAGS := -O1 -g0 -march=native -fno-omit-frame-pointer

.PHONY: asan
asan: tools ## every architecture with the address sanitizer (compiles the engine again, minutes)
	CGO_CFLAGS="$(ASANFLAGS)" CGO_CXXFLAGS="$(ASANFLAGS)" ASAN_OPTIONS=detect_leaks=0 $(GO) test -asan -count 1 -run 'TestEveryArchitecture' ./runtime

.PHONY: bench
bench: build ## a short form of all benchmarks (BENCH=pattern of the Go ones)
	$(GO) test -p 1 -run '^$$' -bench '$(BENCH)' -skip 'Lookup|Synthesize|Packed|Move' -benchtime 50x -short ./loader/... ./llama/... ./runtime/... ./models/...
	$(GO) test -p 1 -run '^$$' -bench 'Lookup|Synthesize' -benchtime 1x -short ./runtime/... ./models/...
	$(GO) test -run '^$$' -bench 'Packed|Move' -benchtime 10x -short ./runtime
	bin/infer bench speed -p 64 -n 16 --load mmap,copy,stock -r 2
	bin/infer bench memory -n 8 --chunks 5 -r 1
	bin/infer bench pressure --synthesize 1b,layers=8 --budgets 75% -n 4 -r 1
	bin/infer bench experts --synthesize test-moe -n 64
	bin/infer bench floor
	bin/infer bench fragmentation --synthesize 1b,layers=4 --holes 256M,128M -n 4 -r 1
	bin/infer bench contention --synthesize 1b,layers=2 -n 8 --busy 1 --quotas "" --sessions 2 --processes "" -r 1
	bin/infer bench serve --synthesize 1b,layers=2 --streams 1,4 -n 8 -r 1
	bin/infer bench load --synthesize 1b,layers=1,vocab=4096 --synthesize 1b,layers=2,vocab=4096 --synthesize 1b,layers=4,vocab=4096 -r 1

# One model on a GPU, beside llama-bench of the same version if LLAMA_BENCH names one: rates, time to
# load, and the most memory that the process had. Without a GPU: GGML_VK_VISIBLE_DEVICES=0 is lavapipe.
SHAPE       ?= 1b
GPU_TESTS   ?= -p 512 -n 128
GPU_MODEL   ?= bin/bench/gpu.gguf
LLAMA_BENCH ?=

.PHONY: bench-gpu
bench-gpu: ENGINE = linux-x64-vulkan
bench-gpu: build engine ## speed, load and peak host memory on a GPU (ENGINE=linux-x64-cuda, SHAPE=1b, LLAMA_BENCH=path)
	@mkdir -p $(dir $(GPU_MODEL))
	bin/infer synthesize --shape "$(SHAPE)" --type q4_0 --force --quiet "$(GPU_MODEL)"
	bin/infer plan "$(GPU_MODEL)" --engine "$(ENGINE_FOLDER)" -g all --load mmap
	bin/infer bench speed "$(GPU_MODEL)" --engine "$(ENGINE_FOLDER)" -g all --load mmap,stock $(GPU_TESTS)
	@if [ -z "$(LLAMA_BENCH)" ]; then echo "make bench-gpu: llama-bench is not compared: set LLAMA_BENCH to that of the same version"; exit 0; fi; \
		LD_LIBRARY_PATH="$(CURDIR)/$(ENGINE_FOLDER)" "$(LLAMA_BENCH)" -m "$(GPU_MODEL)" -ngl 99 $(GPU_TESTS) & pid=$$!; peak=0; \
		while kill -0 $$pid 2>/dev/null; do \
			now="$$(awk '/VmHWM/ {print $$2}' /proc/$$pid/status 2>/dev/null)"; [ "$${now:-0}" -gt $$peak ] && peak=$$now; sleep 0.2; \
		done; \
		wait $$pid && echo "llama-bench: peak host memory $$((peak / 1024)) MiB"

# records are kept, and drawn, by that name.
records = --out bin/bench/$(1).jsonl --plot bin/bench/$(1).svg --force

.PHONY: bench-full
bench-full: build ## all benchmarks, records and plots in bin/bench (over half an hour)
	mkdir -p bin/bench
	$(GO) test -p 1 -run '^$$' -bench '$(BENCH)' -skip Packed ./loader/... ./llama/... ./runtime/... ./models/...
	$(GO) test -run '^$$' -bench Packed -benchtime 40x ./runtime
	bin/infer bench speed --synthesize 1b --models bin/bench --load mmap,packed,copy,stock $(call records,speed)
	bin/infer bench memory $(call records,memory-embedded)
	bin/infer bench memory --synthesize 1b --models bin/bench $(call records,memory)
	bin/infer bench pressure --packed --models bin/bench $(call records,pressure)
	bin/infer bench experts --synthesize layers=8,width=512,heads=8,kv_heads=2,ffn=512,vocab=4000,experts=64,experts_used=8,experts_skew=0.8 --models bin/bench -n 256 $(call records,experts)
	bin/infer bench floor --synthesize 1b --models bin/bench $(call records,floor)
	bin/infer bench fragmentation --models bin/bench $(call records,fragmentation)
	bin/infer bench load --models bin/bench $(call records,load)
	bin/infer bench contention --models bin/bench $(call records,contention)
	bin/infer bench serve --synthesize 1b --models bin/bench $(call records,serve)

.PHONY: flags
flags: ## the flags of the engine, for a shell: eval "$(make -s flags)"
	@echo 'export CGO_ENABLED=1 CGO_CFLAGS="$(CGO_CFLAGS)" CGO_CXXFLAGS="$(CGO_CXXFLAGS)" CGO_CPPFLAGS="$(CGO_CPPFLAGS)"'

.PHONY: tools
tools:
	@for t in $(GO) gcc g++; do command -v $$t >/dev/null || { echo "make: $$t is missing: install Go 1.26 or later, gcc and g++"; exit 1; }; done

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
