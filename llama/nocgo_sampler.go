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

// AddGreedy returns ErrNoEngine.
func (x *Sampler) AddGreedy() error { return ErrNoEngine }

// AddDist returns ErrNoEngine.
func (x *Sampler) AddDist(uint32) error { return ErrNoEngine }

// AddMirostat returns ErrNoEngine.
func (x *Sampler) AddMirostat(uint32, float32, float32, int) error { return ErrNoEngine }

// AddMirostatV2 returns ErrNoEngine.
func (x *Sampler) AddMirostatV2(uint32, float32, float32) error { return ErrNoEngine }

// AddTopK returns ErrNoEngine.
func (x *Sampler) AddTopK(int) error { return ErrNoEngine }

// AddTopP returns ErrNoEngine.
func (x *Sampler) AddTopP(float32, int) error { return ErrNoEngine }

// AddMinP returns ErrNoEngine.
func (x *Sampler) AddMinP(float32, int) error { return ErrNoEngine }

// AddTypical returns ErrNoEngine.
func (x *Sampler) AddTypical(float32, int) error { return ErrNoEngine }

// AddTopNSigma returns ErrNoEngine.
func (x *Sampler) AddTopNSigma(float32) error { return ErrNoEngine }

// AddXTC returns ErrNoEngine.
func (x *Sampler) AddXTC(float32, float32, int, uint32) error { return ErrNoEngine }

// AddTemperature returns ErrNoEngine.
func (x *Sampler) AddTemperature(float32) error { return ErrNoEngine }

// AddDynamicTemperature returns ErrNoEngine.
func (x *Sampler) AddDynamicTemperature(float32, float32, float32) error { return ErrNoEngine }

// AddPenalties returns ErrNoEngine.
func (x *Sampler) AddPenalties(int, float32, float32, float32) error { return ErrNoEngine }

// AddDRY returns ErrNoEngine.
func (x *Sampler) AddDRY(DRYParams) error { return ErrNoEngine }

// AddLogitBias returns ErrNoEngine.
func (x *Sampler) AddLogitBias(map[Token]float32) error { return ErrNoEngine }

// AddInfill returns ErrNoEngine.
func (x *Sampler) AddInfill() error { return ErrNoEngine }

// AddGrammar returns ErrNoEngine.
func (x *Sampler) AddGrammar(string, string) error { return ErrNoEngine }

// AddLazyGrammar returns ErrNoEngine.
func (x *Sampler) AddLazyGrammar(string, string, []string, []Token) error { return ErrNoEngine }
