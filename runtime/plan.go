package runtime

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/models"
)

// Forecast is the memory that a model and one session would take in each load mode. Sizes are
// bytes.
type Forecast struct {
	Path          string      `json:"path"`
	Architecture  string      `json:"architecture"`
	Description   string      `json:"description"`
	Parameters    uint64      `json:"parameters"`
	LargestTensor uint64      `json:"largest_tensor_bytes"`
	Probe         probe.Probe `json:"probe"`
	Modes         []ModePlan  `json:"modes"`
	// Auto is the mode that LoadAuto would choose, and Reason says why.
	Auto   LoadMode `json:"auto"`
	Reason string   `json:"reason"`
	// Warnings are as in [Report].
	Warnings []string `json:"warnings"`
	// GPULayers is how many layers would be on devices, the output included, and Devices what goes
	// onto each device of the engine.
	GPULayers int          `json:"gpu_layers"`
	Devices   []DeviceNeed `json:"devices"`

	fewExperts bool // is one of them
}

// ModePlan is the memory that one load mode would take. Sizes are bytes.
type ModePlan struct {
	Mode LoadMode `json:"mode"`
	// Packed tells that the plan is for a mapped packed file: the planned file itself, or the
	// one that [Pack] would make of it.
	Packed     bool   `json:"packed"`
	Context    int    `json:"context_tokens"`
	UBatch     int    `json:"ubatch_tokens"`
	CacheTypeK string `json:"cache_type_k"`
	CacheTypeV string `json:"cache_type_v"`
	// FlashAttention is on or off, or auto if layers are on GPUs; FlashReason says why.
	FlashAttention llama.FlashAttention `json:"flash_attention"`
	FlashReason    string               `json:"flash_attention_reason"`

	Weights uint64 `json:"weights_bytes"` // mapped or copied, without those on devices
	KV      uint64 `json:"kv_bytes"`
	Compute uint64 `json:"compute_bytes"`
	Output  uint64 `json:"output_bytes"`
	Scratch uint64 `json:"scratch_bytes"` // only while loading
	Device  uint64 `json:"device_bytes"`  // weights on GPUs

	// Engine estimates the heap memory of the engine and this package: vocabulary, list of
	// tensors, graphs, and the work buffer for converted operands. Unused is what an engine of v0.5
	// allocates beside that and does not touch.
	Engine uint64 `json:"engine_bytes"`
	Unused uint64 `json:"engine_unused_bytes"`

	// Commit is private memory, which the system charges when it is allocated: private
	// weights, KV, Compute, Output, Engine and Unused. Resident is what is in RAM when a prompt and a
	// generation have filled the context: all weights (mapped ones can be evicted), KV,
	// Output, Engine, and the used part of Compute. Both include one session, and exclude
	// what the process had before and the stacks of threads. A [memory.Pool] needs room for
	// Commit less Engine and Unused.
	Commit   uint64 `json:"commit_bytes"`
	Resident uint64 `json:"resident_bytes"`

	LargestAllocation   uint64 `json:"largest_allocation_bytes"` // one mapping or commit
	LargestAllocationOf string `json:"largest_allocation_of"`    // a tensor, "KV layer 3", "compute"
	LargestRange        uint64 `json:"largest_range_bytes"`      // contiguous addresses
	LargestRangeOf      string `json:"largest_range_of"`

	Chunks    int    `json:"chunks"`
	ChunkSize uint64 `json:"chunk_size_bytes"`

	Budget *BudgetPlan `json:"budget,omitempty"` // for mapped weights

	Fits    bool   `json:"fits"` // now
	Missing uint64 `json:"missing_bytes"`
	// PageFileGrowth is by how much Windows would enlarge page files, if the mode fits. They
	// keep that size until the system restarts.
	PageFileGrowth uint64      `json:"page_file_growth_bytes"`
	LimitedBy      probe.Limit `json:"limited_by"` // the limit that is exceeded; "" if it fits
	// Needed is the memory, by purpose, whose sum exceeds the limit; nil if no sum does.
	Needed   memory.Parts    `json:"needed,omitempty"`
	Remedies []memory.Remedy `json:"remedies"` // the one with the least loss first

	Pieces []PlanPiece `json:"pieces"` // in the order of allocation
}

// PlanPiece is a planned range of addresses and the allocations in it. Sizes are bytes.
type PlanPiece struct {
	Purpose     memory.Purpose `json:"purpose"` // weights, kv, compute or output
	Of          string         `json:"of"`
	Size        uint64         `json:"size_bytes"`
	Allocations []uint64       `json:"allocations_bytes"`
	Private     bool           `json:"private"` // committed, not mapped
	// Resident is the part in RAM when the context is full.
	Resident uint64 `json:"resident_bytes"`
}

// Name returns the mode's name, or "packed".
func (p ModePlan) Name() string {
	if p.Packed {
		return "packed"
	}
	return p.Mode.String()
}

// MarshalText returns the mode's name.
func (m LoadMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Plan returns the memory that the model at path and one session with o.Session would take,
// in each load mode, and as a packed file if weights would be repacked. It allocates nothing
// large: it reads the header, plans the chunks, and measures the rest in a dry run of the
// engine. No option is lowered: the plan is for the given options or the defaults. Errors are
// those of [Open].
func Plan(ctx context.Context, path string, o Options) (*Forecast, error) {
	c, err := o.resolve()
	if err != nil {
		return nil, err
	}
	file, err := models.Resolve(path, models.ResolveOptions{})
	if err != nil {
		return nil, &LoadError{Path: path, Err: err}
	}
	f, err := planFile(ctx, file, c.auto())
	if err != nil {
		return nil, &LoadError{Path: file, Err: err}
	}
	return f, nil
}

func planFile(ctx context.Context, path string, c *config) (*Forecast, error) {
	src, err := openSource(path, "", c, c.chunkSize)
	if err != nil {
		return nil, err
	}
	defer src.close()
	f := &Forecast{Path: path, LargestTensor: src.plan.LargestTensor, Probe: src.probe, Warnings: append([]string{}, src.index.Warnings()...)}
	if f.Auto, f.Reason, err = chooseMode(src, src.probe, c); err != nil {
		return nil, err
	}
	if c, err = c.chooseLayers(ctx, src, f.Auto); err != nil {
		return nil, err
	}
	var header *weights // shared by consecutive ways for which the engine reads the same
	defer func() {
		if header != nil {
			header.unload()
		}
	}()
	for _, way := range waysOf(src, c) {
		w := newWeights(c, way.source, way.mode, "", nil)
		if header != nil && header.repacks() == w.repacks() {
			header.binding = w.binding
			if err := header.planUsed(); err != nil {
				return nil, err
			}
		} else {
			if header != nil {
				header.unload()
			}
			header = w
			if err := w.loadHeader(ctx); err != nil {
				return nil, err
			}
		}
		p, repacked, err := planMode(ctx, f, header, way.packed)
		if err != nil {
			return nil, err
		}
		if !way.packed || repacked {
			f.Modes = append(f.Modes, p)
		}
	}
	return f, nil
}

// way is a way to load a model.
type way struct {
	*source
	mode   LoadMode
	packed bool // as a packed file
}

// waysOf lists the ways to load a file, with a packed file if the engine can repack.
func waysOf(src *source, c *config) []way {
	if src.packed != nil {
		return []way{{src, LoadMMap, true}}
	}
	ways := []way{{src, LoadMMap, false}}
	if c.repack && llama.CanRepack() {
		packed := *src
		packed.packed = map[string]gguf.PackedTensor{}
		ways = append(ways, way{&packed, LoadMMap, true})
	}
	return append(ways, way{src, LoadCopy, false}, way{src, LoadStock, false})
}

// planMode plans one way to load weights, whose header the engine has read. It reports whether
// the engine repacks any of them.
func planMode(ctx context.Context, f *Forecast, w *weights, packed bool) (_ ModePlan, repacked bool, _ error) {
	s, err := newSizer(w)
	if err != nil {
		return ModePlan{}, false, err
	}
	f.Architecture, f.Description, f.Parameters = s.info.Architecture, s.info.Description, s.info.Params
	p := ModePlan{Mode: w.mode, Packed: packed, ChunkSize: w.chunkSize, Scratch: min(wholeUnits(w.plan.LargestTensor), memory.MostScratch, w.chunkSize)}
	ws, err := w.native.Weights()
	if err != nil {
		return p, false, err
	}
	params, err := s.contextParams(w.config.session)
	if err != nil {
		return p, false, err
	}
	private, err := w.privateBytes()
	if err != nil {
		return p, false, err
	}
	n, err := s.firstNeed(ctx, params, w.config.session.UBatch != 0, private, f.Probe)
	var tooLong *memory.RangeError
	if err != nil && !errors.As(err, &tooLong) {
		return p, false, err
	}
	p.Context, p.UBatch = min(n.ctx, params.Ctx), n.ubatch
	p.CacheTypeK, p.CacheTypeV = cacheName(params.CacheTypeK), cacheName(params.CacheTypeV)
	p.FlashAttention, p.FlashReason = s.flashAttention(n.params), n.why
	if p.Mode == LoadCopy && f.Auto == LoadCopy {
		if refused := s.roomForBoth(private, n, f.Probe.Fixed()); refused != nil {
			f.Auto, f.Reason = LoadMMap, "a copy would be refused: "+shortReason(refused)
		}
	}
	if f.Devices == nil { // the same in all modes
		f.GPULayers, f.Devices = min(w.config.gpuLayers, s.info.Layers+1), w.config.planned(ws, n)
	}
	p.addWeights(w, ws)
	p.addSession(w, n)
	p.Remedies = []memory.Remedy{}
	p.Engine, p.Unused = s.engineMemory(n), n.unused
	resident, err := p.planBudget(f, w, n)
	if err != nil {
		return p, false, err
	}
	p.sum()
	if resident > 0 {
		p.Resident += resident - p.Weights // the budget keeps fewer of them
	}
	p.judge(ctx, &s, n, f.Probe)
	if w.mode == LoadStock {
		var stock *StockError
		if err := w.stockBegin(); errors.As(err, &stock) {
			p.Fits, p.LimitedBy = false, probe.Limit(fmt.Sprintf("alignment of the file's tensors (%d, where %d is needed)", stock.Alignment, stockAlignment))
			p.Remedies = []memory.Remedy{{Kind: memory.RemedyChunked}}
		} else if err != nil {
			return p, false, err
		}
	}
	if tooLong != nil {
		p.Fits, p.Missing, p.LimitedBy = false, tooLong.Requested-tooLong.Limit, probe.LimitChunk
		p.Remedies = append([]memory.Remedy{{Kind: memory.RemedyChunkSize, Bytes: tooLong.Requested}, {Kind: memory.RemedyBatch}}, p.Remedies...)
	}
	repacked = slices.ContainsFunc(ws, func(w llama.Weight) bool { return w.Kind == llama.WeightRepack })
	return p, repacked, nil
}

// addWeights adds the ranges of the weights.
func (p *ModePlan) addWeights(w *weights, ws []llama.Weight) {
	second := secondCopies(ws)
	for _, x := range ws {
		if x.Kind == llama.WeightDevice {
			p.Device += x.DeviceSize
		}
	}
	if p.Mode == LoadStock {
		// The engine maps each file whole, and repacks into one private buffer.
		for i, f := range w.files {
			size := wholeUnits(uint64(f.Size))
			p.add(PlanPiece{Purpose: memory.PurposeWeights, Of: "the whole file", Size: size, Allocations: []uint64{size}, Resident: w.stockResident(i, ws)})
		}
		if repacked := w.stockRepacked(ws); repacked > 0 {
			size := wholeUnits(repacked)
			p.add(PlanPiece{Purpose: memory.PurposeWeights, Of: "repacked weights", Size: size, Allocations: []uint64{size}, Private: true})
		}
		return
	}
	chunks := w.plan.Chunks
	for _, r := range w.plan.Ranges {
		own := chunks[:r.Chunks]
		chunks = chunks[r.Chunks:]
		if r.Chunks == 0 {
			continue
		}
		of := r.Tensors[0].Name
		if len(r.Tensors) > 1 {
			of = fmt.Sprintf("%s to %s", of, r.Tensors[len(r.Tensors)-1].Name)
		}
		if p.Mode == LoadCopy || w.packing() {
			piece := w.privatePiece(memory.PurposeWeights, of, r.Copied)
			piece.Private = p.Mode == LoadCopy
			p.add(piece)
			continue
		}
		piece := PlanPiece{Purpose: memory.PurposeWeights, Of: of, Size: r.Size}
		for _, c := range own {
			piece.Allocations = append(piece.Allocations, c.Size)
		}
		p.add(piece)
	}
	if p.Mode != LoadCopy && !w.packing() {
		return
	}
	for _, i := range second {
		if ws[i].Kind == llama.WeightRepack {
			piece := w.privatePiece(memory.PurposeWeights, ws[i].Name+" (repacked beside the original)", ws[i].Stored)
			piece.Private = !p.Packed
			p.add(piece)
		}
	}
}

// stockResident returns how much of a file stays mapped in a stock load: the engine unmaps
// what is before the first and after the last tensor that it uses in place.
func (w *weights) stockResident(file int, ws []llama.Weight) uint64 {
	host := map[string]bool{}
	for _, x := range ws {
		if x.Kind == llama.WeightHost {
			host[x.Name] = true
		}
	}
	first, last := uint64(math.MaxUint64), uint64(0)
	for _, t := range w.index.Tensors() {
		if t.File == file && host[t.Name] {
			first, last = min(first, uint64(t.Offset)), max(last, uint64(t.Offset)+t.Size)
		}
	}
	if last == 0 {
		return 0
	}
	return wholeUnits(last - min(first, last))
}

// addSession adds the blocks of a session.
func (p *ModePlan) addSession(w *weights, n need) {
	for _, b := range n.blocks {
		if p.Mode == LoadStock {
			size := wholeUnits(b.Size)
			p.add(PlanPiece{Purpose: purposeOf(b.Purpose), Of: blockName(b), Size: size, Allocations: []uint64{size}, Private: true, Resident: n.used(b)})
			continue
		}
		piece := w.privatePiece(purposeOf(b.Purpose), blockName(b), b.Size)
		piece.Resident = n.used(b)
		p.add(piece)
	}
	p.KV, p.Compute, p.Output = n.bytes(llama.PurposeKV), n.bytes(llama.PurposeCompute), n.bytes(llama.PurposeOutput)
}

// privatePiece returns the piece of a block of the arena, which is committed chunk by chunk.
func (w *weights) privatePiece(purpose memory.Purpose, of string, size uint64) PlanPiece {
	size = wholeUnits(size)
	piece := PlanPiece{Purpose: purpose, Of: of, Size: size, Private: true}
	for left := size; left > 0; {
		n := min(left, w.chunkSize)
		piece.Allocations = append(piece.Allocations, n)
		left -= n
	}
	return piece
}

// add adds a piece. Weights are fully resident by default.
func (p *ModePlan) add(piece PlanPiece) {
	if piece.Purpose == memory.PurposeWeights && piece.Resident == 0 {
		piece.Resident = piece.Size
	}
	p.Pieces = append(p.Pieces, piece)
}

// sum adds up the pieces.
func (p *ModePlan) sum() {
	p.Commit, p.Resident = p.Engine+p.Unused, p.Engine
	for _, x := range p.Pieces {
		if x.Purpose == memory.PurposeWeights {
			p.Weights += x.Size
			p.Chunks += len(x.Allocations)
		}
		if x.Private {
			p.Commit += x.Size
		}
		p.Resident += x.Resident
		for _, a := range x.Allocations {
			if a > p.LargestAllocation {
				p.LargestAllocation, p.LargestAllocationOf = a, x.Of
			}
		}
		if x.Size > p.LargestRange {
			p.LargestRange, p.LargestRangeOf = x.Size, x.Of
		}
	}
}
