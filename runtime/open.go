package runtime

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/models"
)

// Open opens a model: a path, a name (see models.Resolve), or "" for the embedded
// one. The file is read and validated, the load mode chosen from what memory there
// is, room made for a session (see [Options].Session), and the weights mapped or copied
// chunk by chunk.
//
// The error is a [*LoadError] around the reason. Where there is not enough memory, it is
// an [ErrInsufficientMemory], and Fallbacks are tried one after the other; the error is
// then a [*FallbackError] with all of them. A cancelled ctx stops the load between two
// chunks and gives the context's error. Nothing is left behind where it fails.
func Open(ctx context.Context, path string, o Options) (*Model, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	m, err := openOne(ctx, path, o)
	if err != nil && len(o.Fallbacks) > 0 && errors.Is(err, ErrInsufficientMemory) {
		return openFallbacks(ctx, path, o, err)
	}
	return m, err
}

func openOne(ctx context.Context, path string, o Options) (*Model, error) {
	file, err := models.Resolve(path, models.ResolveOptions{})
	if err != nil {
		return nil, &LoadError{Path: path, Err: err}
	}
	m, err := openCached(ctx, file, o)
	if m == nil && err == nil {
		if m, err = openFile(ctx, file, "", o); err == nil {
			m.packLater(o)
		}
	}
	if err != nil {
		var e *LoadError
		if !errors.As(err, &e) {
			err = &LoadError{Path: file, Err: err}
		}
		return nil, err
	}
	return m, nil
}

// openIndex reads the header of a model's file, which is refused where no model can be made
// of it with these options; one of the cache stands in for another.
func openIndex(path, cacheOf string, o Options) (*gguf.Index, error) {
	index, err := loader.Open(path)
	if err != nil {
		return nil, err
	}
	switch {
	case !index.HasTensors():
		err = errNoWeights()
	case cacheOf != "":
		err = ofCache(index, cacheOf)
	}
	if err == nil {
		err = checkPacked(index, o)
	}
	if err != nil {
		index.Close()
		return nil, err
	}
	return index, nil
}

// openFile opens a model's file; one of the cache stands in for another.
func openFile(ctx context.Context, path, cacheOf string, o Options) (*Model, error) {
	start := time.Now()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	index, err := openIndex(path, cacheOf, o)
	if err != nil {
		return nil, err
	}
	keep := false
	defer func() {
		if !keep {
			index.Close()
		}
	}()
	probe, err := probe.Measure()
	if err != nil {
		return nil, err
	}
	plan, err := loader.NewPlan(index, loader.PlanOptions{ChunkSize: o.ChunkSize})
	if err != nil {
		return nil, err
	}

	mode, reason, err := chooseMode(index, plan, probe, o)
	if err != nil {
		return nil, &LoadError{Path: path, Mode: o.Load, Err: err}
	}
	var tried []*LoadError
	for {
		m := newModel(path, index, plan, mode, reason, o)
		m.log("opening", "path", path, "mode", mode.String(), "reason", reason, "chunks", len(plan.Chunks), "chunk_size", plan.ChunkSize)
		err := m.load(ctx, o, probe)
		if err == nil {
			err = m.addAdapters(o)
		}
		if err == nil {
			keep = true
			if cacheOf != "" {
				m.path, m.reason = cacheOf, reasonCached
			}
			m.loadDuration = time.Since(start)
			m.sampleMemoryNow()
			for _, w := range m.warnings {
				m.warn(w)
			}
			return m, nil
		}
		m.index = nil // the next attempt's, or closed above
		m.free()
		if o.Load == LoadAuto && mode == LoadCopy && errors.Is(err, ErrInsufficientMemory) {
			tried = append(tried, &LoadError{Mode: LoadCopy, Err: err})
			mode, reason = LoadMMap, "a copy was refused: "+shortReason(err)
			continue
		}
		return nil, &LoadError{Path: path, Mode: mode, Tried: tried, Err: err}
	}
}

func newModel(path string, index *gguf.Index, plan *loader.Plan, mode LoadMode, reason string, o Options) *Model {
	computing().load.figures() // the first evaluation looks at what the processors did meanwhile
	return &Model{
		path: path, index: index, plan: plan, files: index.Files(), mode: mode, reason: reason, logger: o.Logger, ledger: &memory.Ledger{Admit: o.Admit}, pool: o.Pool,
		chunkSize: plan.ChunkSize, largestTensor: plan.LargestTensor, sessions: map[*Session]struct{}{},
		kv: readKVShape(index), packed: packedTensors(index), warnings: index.Warnings(), tuners: newThreadTuners(),
		offloads: o.GPULayers > 0, most: o.MaxMemory, lookup: o.Generate != nil && o.Generate.Lookup,
		peak: newMemoryPeak(),
	}
}

// chooseMode decides where the weights go, and why.
func chooseMode(index *gguf.Index, plan *loader.Plan, p probe.Probe, o Options) (LoadMode, string, error) {
	available, limit := p.Available() // page files are not to grow for a copy
	of := beforeGrowth(limit, p)
	if o.MaxMemory > 0 && o.MaxMemory < available {
		available, of = o.MaxMemory, string(probe.LimitBudget)
	}
	share := available / 2
	if o.Pool != nil { // which is there for this
		available, of = o.Pool.Stats().Free, string(probe.LimitPool)
		share = available
	}
	switch o.Load {
	case LoadMMap, LoadStock:
		return o.Load, "as asked", nil
	case LoadCopy:
		// Before the header is given to the engine: the session comes on top later.
		if e := roomFor(besideCopy(plan.Bytes, p), p); e != nil && o.Pool == nil {
			e.Remedies = append([]memory.Remedy{{Kind: memory.RemedyMap}, {Kind: memory.RemedyQuantise}}, memory.RaiseLimit(e.Limit, e.Requested-e.Available)...)
			return o.Load, "", e
		}
		return o.Load, "as asked", nil
	}
	gains := repackGains(index)
	switch {
	case index.Packed() != nil:
		return LoadMMap, "packed for this CPU: as fast as a copy", nil
	case o.NoRepack || !gains:
		return LoadMMap, "a copy of these weights would not be faster", nil
	case plan.Bytes > share:
		return LoadMMap, fmt.Sprintf("a copy of %s would take more than %s of the %s left (%s)", words.Size(plan.Bytes), words.Size(share), words.Size(available), of), nil
	}
	return LoadCopy, fmt.Sprintf("the weights can be repacked for this CPU, and %s fit well into the %s left (%s)", words.Size(plan.Bytes), words.Size(available), of), nil
}

// repackGains tells whether a good part of the weights is of a type that the engine
// repacks on this CPU.
func repackGains(index *gguf.Index) bool {
	if !llama.CanRepack() {
		return false
	}
	return repackable(index) > index.Bytes()/4
}

// repackable is the size of all tensors of such types; the engine may leave out some.
func repackable(index *gguf.Index) (bytes uint64) {
	for _, t := range index.Tensors() {
		switch t.Type {
		case gguf.TypeQ4_0, gguf.TypeQ4_K, gguf.TypeIQ4_NL, gguf.TypeQ2_K:
			if len(t.Shape) >= 2 {
				bytes += t.Size
			}
		}
	}
	return bytes
}

// load loads the model in the chosen mode; what it has taken is in m.
func (m *Model) load(ctx context.Context, o Options, probe probe.Probe) error {
	if m.mode == LoadStock {
		if err := m.checkStock(ctx, o); err != nil {
			return err
		}
		if err := m.loadStock(ctx, o); err != nil {
			return err
		}
		if err := m.describe(); err != nil {
			return err
		}
		return m.checkGenerate(o.Generate)
	}
	if err := m.loadUnbound(ctx, o); err != nil {
		return err
	}
	if err := m.describe(); err != nil {
		return err
	}
	if err := m.checkGenerate(o.Generate); err != nil {
		return err
	}
	if err := m.fit(ctx, o.Session, o.Load); err != nil {
		return err
	}
	ws, err := m.native.Weights()
	if err != nil {
		return err
	}
	if err := m.matchPacked(ws); err != nil {
		return err
	}
	progress := func(done, total uint64) {
		m.sampleMemory()
		if o.Progress != nil {
			o.Progress(Progress{Mode: m.mode, Done: done, Total: total})
		}
	}
	if m.mode == LoadMMap {
		return m.loadMapped(ctx, ws, o, probe, progress)
	}
	return m.bindCopied(ctx, ws, progress)
}

func (m *Model) loadStock(ctx context.Context, o Options) error {
	if err := m.roomForRepacked(ctx, o); err != nil {
		return err
	}
	var report func(float32)
	if o.Progress != nil {
		report = func(f float32) {
			o.Progress(Progress{Mode: m.mode, Done: uint64(float64(f) * float64(m.plan.Bytes)), Total: m.plan.Bytes})
		}
	}
	var err error
	m.native, err = llama.LoadModel(ctx, m.path, llama.ModelParams{
		MMap: true, Repack: !o.NoRepack, GPULayers: o.GPULayers, CheckTensors: o.CheckTensors, Progress: report,
	})
	return err
}

// roomForRepacked refuses a stock load whose repacked weights, which are private beside the
// mapped file, do not fit: the system would end the process while they are made.
func (m *Model) roomForRepacked(ctx context.Context, o Options) error {
	p, err := probe.Measure()
	if err != nil || !m.repacks(o) || !llama.CanRepack() {
		return nil // where nothing is known the attempt decides
	}
	fits := func(repacked uint64) *memory.Error { return roomFor(besideCopy(repacked, p), p) }
	if fits(repackable(m.index)) == nil {
		return nil // whatever the engine chooses
	}
	dry := newModel(m.path, m.index, m.plan, m.mode, "", o)
	defer func() {
		dry.index = nil // the caller's
		dry.free()
	}()
	if err := dry.loadUnbound(ctx, o); err != nil {
		return err
	}
	ws, err := dry.native.Weights()
	if err != nil {
		return err
	}
	e := fits(dry.stockRepacked(ws))
	if e == nil {
		return nil
	}
	e.Remedies = append([]memory.Remedy{{Kind: memory.RemedyNoRepack}, {Kind: memory.RemedyMap}}, memory.RaiseLimit(e.Limit, e.Requested-e.Available)...)
	return e
}

// besideCopy are weights that are copied, and what has to be left beside them.
func besideCopy(weights uint64, p probe.Probe) memory.Parts {
	available, _ := p.Available()
	return memory.Parts{}.With(memory.PurposeWeights, weights).With(memory.PurposeOther, min(reserve(available), weights/8))
}

// loadUnbound lets the engine read the validated header. It never opens the file
// itself; see gguf.Skeleton.
func (m *Model) loadUnbound(ctx context.Context, o Options) error {
	m.extra = m.newArena(max(m.chunkSize, m.plan.LargestRange))
	skeleton, err := m.index.Skeleton()
	if err != nil {
		return err
	}
	defer skeleton.Close()
	scratch, err := memory.NewScratch(m.largestTensor, m.chunkSize, m.ledger)
	if err != nil {
		return err
	}
	defer scratch.Close()
	m.native, err = llama.LoadModel(ctx, skeleton.Path(), llama.ModelParams{
		Repack: m.repacks(o), GPULayers: o.GPULayers,
		Blocks: blocks{m.extra}, Unbound: true, Scratch: scratch.Addr(), ScratchSize: uintptr(scratch.Size()),
	})
	return engineError(err)
}

// repacks tells whether the engine is to choose layouts for this CPU.
func (m *Model) repacks(o Options) bool {
	return (m.mode != LoadMMap || m.packed != nil) && !o.NoRepack
}

// loadMapped maps the weights, all of them to stay or within a budget.
func (m *Model) loadMapped(ctx context.Context, ws []llama.Weight, o Options, probe probe.Probe, progress loader.Progress) error {
	total, wanted := m.maxMemory(o, probe)
	if !wanted {
		return m.bindMapped(ctx, ws, o, probe, progress)
	}
	o.NoPrefetch = true
	if err := m.bindMapped(ctx, ws, o, probe, progress); err != nil {
		return err
	}
	auto := o.MaxMemory == 0
	err := m.startBudget(ctx, ws, total, auto)
	if auto && errors.Is(err, ErrInsufficientMemory) {
		// Nobody asked for a budget, and without one the system pages as for any mapping.
		m.log("no memory budget is kept", "reason", err)
		return nil
	}
	return err
}

// bindMapped maps the files' chunks and points the engine's tensors into them.
func (m *Model) bindMapped(ctx context.Context, ws []llama.Weight, o Options, probe probe.Probe, progress loader.Progress) error {
	available, _ := probe.Available()
	var err error
	m.weights, err = loader.MapWeights(ctx, m.index, m.plan, loader.MapOptions{
		Ledger: m.ledger, Progress: progress,
		// Reading ahead what does not fit would only push out what it has just read.
		Prefetch: !o.NoPrefetch && m.plan.Bytes < available-min(available, reserve(available)),
	})
	if err != nil {
		return err
	}
	for p, size := range m.weights.Mapped() {
		m.watches = append(m.watches, llama.WatchMapped(p, size))
	}
	for i, w := range ws {
		data, err := m.tensorData(w)
		if err != nil {
			return err
		}
		switch w.Kind {
		case llama.WeightDevice:
			err = m.upload(ctx, i, data, w.Size)
		case llama.WeightRepack: // in a packed file
			err = m.native.BindPacked(i, data)
		default:
			err = m.native.Bind(i, data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bindCopied copies the weights, those that the engine wants repacked in its layout.
func (m *Model) bindCopied(ctx context.Context, ws []llama.Weight, progress loader.Progress) error {
	// What has a place in the plan's ranges, and what is converted into it.
	plain := map[string]bool{}
	special := map[string]int{}
	for i, w := range ws {
		if w.Kind == llama.WeightHost {
			plain[w.Name] = true
		} else if _, ok := special[w.Name]; !ok {
			special[w.Name] = i
		}
	}
	convert := func(i int, dst, src unsafe.Pointer) error {
		if ws[i].Kind == llama.WeightDevice {
			return m.upload(ctx, i, src, ws[i].Size)
		}
		m.repacked += ws[i].Size
		return m.native.Repack(i, dst, src)
	}
	var err error
	m.weights, err = loader.CopyWeights(ctx, m.index, m.plan, loader.CopyOptions{
		Arena: m.extra, Ledger: m.ledger, Progress: progress,
		Transforms: func(name string) bool {
			_, ok := special[name]
			return ok && !plain[name]
		},
		Transform: func(t gguf.Tensor, dst, src unsafe.Pointer) error { return convert(special[t.Name], dst, src) },
	})
	if err != nil {
		return err
	}
	for i, w := range ws {
		if w.Kind != llama.WeightHost {
			continue
		}
		data, err := m.tensorData(w)
		if err != nil {
			return err
		}
		if err := m.native.Bind(i, data); err != nil {
			return err
		}
	}
	for _, i := range secondCopies(ws) {
		data, err := m.tensorData(ws[i])
		if err != nil {
			return err
		}
		var dst unsafe.Pointer
		if ws[i].Kind == llama.WeightRepack {
			if dst, err = m.extra.AllocBlock(memory.PurposeWeights, uintptr(ws[i].Size)); err != nil {
				return err
			}
			m.second = append(m.second, dst)
		}
		if err := convert(i, dst, data); err != nil {
			return err
		}
	}
	return nil
}

// tensorData returns where a tensor's bytes lie, having compared the sizes.
func (m *Model) tensorData(w llama.Weight) (unsafe.Pointer, error) {
	data, size, ok := m.weights.TensorData(m.placeOf(w))
	if !ok || size != w.Size {
		return nil, fmt.Errorf("%w: tensor %q of %d bytes, the engine expects %d", ErrBadModel, w.Name, size, w.Size)
	}
	return data, nil
}

// upload copies a tensor to its device, a chunk at a time.
func (m *Model) upload(ctx context.Context, i int, src unsafe.Pointer, size uint64) error {
	for off := uint64(0); off < size; off += m.chunkSize {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.native.Upload(i, unsafe.Add(src, off), off, min(m.chunkSize, size-off)); err != nil {
			return err
		}
	}
	return nil
}

// describe reads what sessions need to know.
func (m *Model) describe() error {
	var err error
	if m.info, err = m.native.Info(); err != nil {
		return err
	}
	special, err := m.native.SpecialTokens()
	if err != nil {
		return err
	}
	m.bos, m.addsBOS = special.BOS, special.AddBOS
	eogs, err := m.native.EOGs()
	if err != nil {
		return err
	}
	m.eog = map[llama.Token]bool{}
	for _, t := range eogs {
		m.eog[t] = true
	}
	return nil
}

func (m *Model) addAdapters(o Options) error {
	for _, a := range o.Adapters {
		if err := m.addAdapter(a); err != nil {
			return err
		}
	}
	return nil
}

// addAdapter loads a LoRA adapter, whose file is validated as the model's was.
func (m *Model) addAdapter(a Adapter) error {
	index, err := loader.OpenWith(a.Path, loader.OpenOptions{SkipModel: true})
	if err != nil {
		return err
	}
	defer index.Close()
	if v, ok := index.Lookup("general.type"); ok {
		if s, _ := v.Str(); s != "adapter" {
			return fmt.Errorf("%s: %w: general.type is %q, an adapter's is \"adapter\"", a.Path, ErrBadModel, s)
		}
	}
	if _, ok := index.Tensor("token_embd.weight.lora_a"); ok && m.tied() {
		return fmt.Errorf("adapter %s: %w: it changes token_embd.weight, which this model uses for its output too, where the engine can't apply it: merge it into the model", a.Path, ErrBadModel)
	}
	native, err := m.native.LoadAdapter(a.Path)
	if err != nil {
		return fmt.Errorf("adapter %s: %w", a.Path, err)
	}
	scale := a.Scale
	if scale == 0 {
		scale = 1
	}
	m.adapters = append(m.adapters, appliedAdapter{native, scale})
	return nil
}

// tied tells whether the output is computed with the embeddings of the tokens. Models that
// look both ways, as those for embeddings do, compute no output.
func (m *Model) tied() bool {
	_, own := m.index.Tensor("output.weight")
	causal := true
	if v, ok := m.index.Lookup(m.info.Architecture + ".attention.causal"); ok {
		causal, _ = v.Bool()
	}
	return !own && causal
}

func (m *Model) isEOG(t llama.Token) bool { return m.eog[t] }
