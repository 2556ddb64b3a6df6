//go:build !cgo

package llama

// Close does nothing.
func (x *Sampler) Close() error { return nil }

// Sample returns ErrNoEngine.
func (x *Sampler) Sample(*Context, int) (Token, error) { return NullToken, ErrNoEngine }

// Choose returns ErrNoEngine.
func (x *Sampler) Choose([]float32) (Token, error) { return NullToken, ErrNoEngine }

// Accept returns ErrNoEngine.
func (x *Sampler) Accept(Token) error { return ErrNoEngine }

// AcceptPrompt returns ErrNoEngine.
func (x *Sampler) AcceptPrompt(Token) error { return ErrNoEngine }

// Reset returns ErrNoEngine.
func (x *Sampler) Reset() error { return ErrNoEngine }

// Clone returns ErrNoEngine.
func (x *Sampler) Clone() (*Sampler, error) { return nil, ErrNoEngine }

// Names returns ErrNoEngine.
func (x *Sampler) Names() ([]string, error) { return nil, ErrNoEngine }

// Seed returns ErrNoEngine.
func (x *Sampler) Seed() (uint32, bool, error) { return 0, false, ErrNoEngine }

// Greedy returns ErrNoEngine.
func (x *Sampler) Greedy() error { return ErrNoEngine }

// Dist returns ErrNoEngine.
func (x *Sampler) Dist(uint32) error { return ErrNoEngine }

// Mirostat returns ErrNoEngine.
func (x *Sampler) Mirostat(uint32, float32, float32, int) error { return ErrNoEngine }

// MirostatV2 returns ErrNoEngine.
func (x *Sampler) MirostatV2(uint32, float32, float32) error { return ErrNoEngine }

// TopK returns ErrNoEngine.
func (x *Sampler) TopK(int) error { return ErrNoEngine }

// TopP returns ErrNoEngine.
func (x *Sampler) TopP(float32, int) error { return ErrNoEngine }

// MinP returns ErrNoEngine.
func (x *Sampler) MinP(float32, int) error { return ErrNoEngine }

// Typical returns ErrNoEngine.
func (x *Sampler) Typical(float32, int) error { return ErrNoEngine }

// TopNSigma returns ErrNoEngine.
func (x *Sampler) TopNSigma(float32) error { return ErrNoEngine }

// XTC returns ErrNoEngine.
func (x *Sampler) XTC(float32, float32, int, uint32) error { return ErrNoEngine }

// Temperature returns ErrNoEngine.
func (x *Sampler) Temperature(float32) error { return ErrNoEngine }

// DynamicTemperature returns ErrNoEngine.
func (x *Sampler) DynamicTemperature(float32, float32, float32) error { return ErrNoEngine }

// Penalties returns ErrNoEngine.
func (x *Sampler) Penalties(int, float32, float32, float32) error { return ErrNoEngine }

// DRY returns ErrNoEngine.
func (x *Sampler) DRY(DRYParams) error { return ErrNoEngine }

// LogitBias returns ErrNoEngine.
func (x *Sampler) LogitBias(map[Token]float32) error { return ErrNoEngine }

// Infill returns ErrNoEngine.
func (x *Sampler) Infill() error { return ErrNoEngine }

// Grammar returns ErrNoEngine.
func (x *Sampler) Grammar(string, string) error { return ErrNoEngine }

// LazyGrammar returns ErrNoEngine.
func (x *Sampler) LazyGrammar(string, string, []string, []Token) error { return ErrNoEngine }
