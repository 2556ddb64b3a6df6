package server

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed7adf6694/infer/loader/memory"
)

// metrics are the server's figures for Prometheus. Figures of models are read when they are asked
// for; of a model that is closed only the counters of tokens are left.
type metrics struct {
	s        *Server
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	first    prometheus.Histogram
	refusals *prometheus.CounterVec
	registry *prometheus.Registry
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		s:        s,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "infer_http_requests_total", Help: "Requests by route and status."}, []string{"route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "infer_http_request_duration_seconds", Help: "Time until the end of the answer, by route.", Buckets: prometheus.ExponentialBuckets(0.005, 3, 10)}, []string{"route"}),
		first:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "infer_time_to_first_token_seconds", Help: "Time from a request to its first token, waiting included.", Buckets: prometheus.ExponentialBuckets(0.005, 3, 10)}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "infer_admission_refused_total", Help: "Requests that were refused for lack of room, by reason."}, []string{"reason"}),
		registry: prometheus.NewRegistry(),
	}
	m.registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Collector returns the server's metrics, to be registered with a program's own. /metrics has them
// too, with those of the process.
func (s *Server) Collector() prometheus.Collector { return s.metrics }

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// request counts a request that has ended.
func (m *metrics) request(c *call, took time.Duration) {
	route := c.route
	if i := strings.LastIndexByte(route, ' '); i >= 0 {
		route = route[i+1:]
	}
	if route == "" {
		route = "refused" // before it reached a route
	}
	m.requests.WithLabelValues(route, strconv.Itoa(c.w.status)).Inc()
	m.duration.WithLabelValues(route).Observe(took.Seconds())
}

// refused counts a request that was refused.
func (m *metrics) refused(reason string) { m.refusals.WithLabelValues(reason).Inc() }

// figure describes a metric of a model. Names that begin with llamacpp: are llama-server's.
func figure(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, append([]string{"model"}, labels...), nil)
}

var (
	promptTokens     = figure("llamacpp:prompt_tokens_total", "Number of prompt tokens processed.")
	promptSeconds    = figure("llamacpp:prompt_seconds_total", "Prompt process time.")
	predictedTokens  = figure("llamacpp:tokens_predicted_total", "Number of generation tokens processed.")
	predictedSeconds = figure("llamacpp:tokens_predicted_seconds_total", "Predict process time.")
	promptRate       = figure("llamacpp:prompt_tokens_seconds", "Average prompt throughput in tokens/s.")
	predictedRate    = figure("llamacpp:predicted_tokens_seconds", "Average generation throughput in tokens/s.")
	processing       = figure("llamacpp:requests_processing", "Number of requests processing.")
	deferred         = figure("llamacpp:requests_deferred", "Number of requests deferred.")
	kvRatio          = figure("llamacpp:kv_cache_usage_ratio", "KV-cache usage. 1 means 100 percent usage.")
	kvTokens         = figure("llamacpp:kv_cache_tokens", "KV-cache tokens.")

	cachedTokens    = figure("infer_prompt_cached_tokens_total", "Prompt tokens that were not computed again.")
	memoryBytes     = figure("infer_memory_bytes", "Native memory by purpose.", "purpose")
	memoryPeak      = figure("infer_memory_peak_bytes", "Largest native memory by purpose.", "purpose")
	budgetBytes     = figure("infer_memory_budget_bytes", "Memory budget of the model; 0 without one.")
	weightBytes     = figure("infer_weights_bytes", "Size of the weights.")
	residentBytes   = figure("infer_weights_resident_bytes", "Weights that stay in memory under a budget, and slots.")
	streamedLayers  = figure("infer_streamed_layers", "Layers of which at least one tensor is streamed.")
	readBytes       = figure("infer_streamed_bytes_total", "Bytes of weights read from the file.")
	stallSeconds    = figure("infer_streamed_stall_seconds_total", "Time that evaluations waited for weights.")
	layerHits       = figure("infer_residency_hits_total", "Streamed layers that were in memory in time.")
	layerMisses     = figure("infer_residency_misses_total", "Streamed layers that were waited for.")
	expertHits      = figure("infer_expert_hits_total", "Chosen experts that were in memory.")
	expertMisses    = figure("infer_expert_misses_total", "Chosen experts that were read.")
	kvKept          = figure("infer_kv_cache_kept_tokens", "KV-cache tokens of prefixes that no running request needs.")
	decodes         = figure("llamacpp:n_decode_total", "Total number of llama_decode() calls.")
	tokensPerDecode = figure("infer_tokens_per_decode", "Mean of tokens generated per evaluation.")
	admitted        = figure("infer_admission_admitted_total", "Requests that got a slot.")
	refusedRequests = figure("infer_admission_queue_full_total", "Requests for which the queue was full.")
	recomputed      = figure("infer_admission_recomputed_total", "Requests that gave their room to others and were computed again.")
	slotCount       = figure("infer_slots", "Texts that are computed at the same time.")
	queueLength     = figure("infer_queue_capacity", "Requests that may wait.")

	openModels      = prometheus.NewDesc("infer_models_open", "Models that are open.", nil, nil)
	opened          = prometheus.NewDesc("infer_models_opened_total", "Models that were opened.", nil, nil)
	shut            = prometheus.NewDesc("infer_models_closed_total", "Models that were closed.", nil, nil)
	runningRequests = prometheus.NewDesc("infer_requests_running", "Requests that are handled.", nil, nil)
	bodyBytes       = prometheus.NewDesc("infer_request_body_bytes", "Bytes of bodies that are held.", nil, nil)
)

// Describe sends nothing: the models are not known before (an unchecked collector).
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	m.requests.Describe(ch)
	m.duration.Describe(ch)
	m.first.Describe(ch)
	m.refusals.Describe(ch)
	for _, d := range []*prometheus.Desc{openModels, opened, shut, runningRequests, bodyBytes} {
		ch <- d
	}
}

// Collect sends the figures of now.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.requests.Collect(ch)
	m.duration.Collect(ch)
	m.first.Collect(ch)
	m.refusals.Collect(ch)
	count := 0
	m.s.fleet.snapshot(func(name string, l *live) {
		count++
		m.model(ch, name, l)
	})
	s := m.s
	s.fleet.mu.Lock()
	for p := range s.fleet.named() {
		tokens(ch, p.name, &p.totals)
	}
	up, down := s.fleet.opened, s.fleet.shut
	s.fleet.mu.Unlock()
	for d, x := range map[*prometheus.Desc]float64{openModels: float64(count), runningRequests: float64(s.Running()), bodyBytes: float64(s.bodies.Load())} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, x)
	}
	ch <- prometheus.MustNewConstMetric(opened, prometheus.CounterValue, float64(up))
	ch <- prometheus.MustNewConstMetric(shut, prometheus.CounterValue, float64(down))
}

// model sends the figures of an open model.
func (m *metrics) model(ch chan<- prometheus.Metric, name string, l *live) {
	gauge := func(d *prometheus.Desc, x float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, x, append([]string{name}, labels...)...)
	}
	counter := counters(ch, name)
	if l.batch != nil {
		b := l.batch.Stats()
		gauge(processing, float64(b.Busy))
		gauge(deferred, float64(b.Waiting))
		gauge(slotCount, float64(b.Slots))
		gauge(queueLength, float64(b.Queue))
		gauge(kvTokens, float64(b.Used))
		gauge(kvKept, float64(b.Kept))
		gauge(kvRatio, perSecond(float64(b.Used), float64(b.Context)))
		counter(decodes, float64(b.Evaluations))
		gauge(tokensPerDecode, perSecond(float64(b.GeneratedTokens), float64(b.Evaluations)))
		counter(admitted, float64(b.Admitted))
		counter(refusedRequests, float64(b.Refused))
		counter(recomputed, float64(b.Recomputed))
	}
	r := l.model.Report()
	for p := memory.PurposeWeights; p < memory.PurposeOther; p++ {
		u := r.Memory.Of(p)
		gauge(memoryBytes, float64(u.Current), p.String())
		gauge(memoryPeak, float64(u.Peak), p.String())
	}
	gauge(budgetBytes, float64(r.Budget))
	gauge(weightBytes, float64(r.WeightBytes))
	x := r.Residency
	if x == nil {
		return
	}
	gauge(residentBytes, float64(x.Resident))
	gauge(streamedLayers, float64(x.Streamed))
	counter(readBytes, float64(x.Read))
	counter(stallSeconds, x.Stalled.Seconds())
	counter(layerHits, float64(x.Hits))
	counter(layerMisses, float64(x.Misses))
	if e := x.Experts; e != nil {
		counter(expertHits, float64(e.Hits))
		counter(expertMisses, float64(e.Misses))
	}
}

// counters returns a function that sends counters of a model.
func counters(ch chan<- prometheus.Metric, name string) func(*prometheus.Desc, float64) {
	return func(d *prometheus.Desc, x float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, x, name)
	}
}

// tokens sends the counters of tokens of a model, open or not.
func tokens(ch chan<- prometheus.Metric, name string, t *totals) {
	counter := counters(ch, name)
	prompt, promptTime := float64(t.prompt.Load()), seconds(t.promptTime.Load())
	predicted, predictTime := float64(t.predicted.Load()), seconds(t.predictTime.Load())
	counter(promptTokens, prompt)
	counter(promptSeconds, promptTime)
	counter(predictedTokens, predicted)
	counter(predictedSeconds, predictTime)
	counter(cachedTokens, float64(t.cached.Load()))
	ch <- prometheus.MustNewConstMetric(promptRate, prometheus.GaugeValue, perSecond(prompt, promptTime), name)
	ch <- prometheus.MustNewConstMetric(predictedRate, prometheus.GaugeValue, perSecond(predicted, predictTime), name)
}

// perSecond divides, by nothing to 0.
func perSecond(x, by float64) float64 {
	if by <= 0 {
		return 0
	}
	return x / by
}
