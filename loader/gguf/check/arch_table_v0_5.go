package check

// Keys that several architectures of 2026 have.
const (
	latent   = "attention.q_lora_rank attention.kv_lora_rank attention.key_length_mla attention.value_length_mla "
	indexer  = "attention.indexer.head_count attention.indexer.key_length attention.indexer.top_k "
	moe      = "expert_feed_forward_length "
	shared   = "expert_shared_count? expert_shared_feed_forward_length? "
	routing  = "leading_dense_block_count? expert_gating_func? expert_weights_scale? expert_weights_norm? "
	windowed = "attention.sliding_window? attention.sliding_window_pattern? rope.freq_base_swa? "
	deltaNet = ssm + "ssm.group_count attention.recurrent_layers? full_attention_interval? "
	kimi     = "attention.kv_lora_rank attention.key_length_mla attention.value_length_mla ssm.conv_kernel kda.head_dim "
	granite  = "logit_scale residual_scale? embedding_scale? attention.scale? expert_shared_feed_forward_length? "
)

// draft is why the draft part of another model is refused.
const draft = "this predicts tokens for another model (speculative decoding), and can't run alone: open the model that it belongs to"

// mixed are the tensors of a layer of linear attention that the engine's loader takes for optional.
var mixed = []string{"attn_qkv.weight", "attn_gate.weight"}

// architecturesV0_5 are the architectures of llama.cpp v0.5.x that the compiled-in engine does not
// know, and those that it reads otherwise.
var architecturesV0_5 = map[string]archRule{
	// New.
	"gemma4": {
		keys:         rms + windowed + "attention.shared_kv_layers? embedding_length_per_layer_input expert_feed_forward_length? final_logit_softcapping?",
		attention:    sameKV | rope | perLayerHeads,
		windows:      windowAlways,
		patternGiven: true,
		check:        checkGemma4,
	},
	"gemma4-assistant": {refused: draft},
	"eagle3":           {refused: draft},
	"dflash":           {refused: draft},
	"qwen35":           {keys: rms + deltaNet + "rope.dimension_sections", attention: sameKV | rope, recurrent: mixed, check: checkRecurrentLayers(4, checkDeltaNet)},
	"qwen35moe": {
		keys:      rms + deltaNet + "rope.dimension_sections expert_feed_forward_length? expert_shared_feed_forward_length?",
		attention: sameKV | rope,
		recurrent: mixed,
		experts:   true,
		check:     checkRecurrentLayers(4, checkDeltaNet),
	},
	"qwen4exp": {
		keys: rms + deltaNet + indexer + "rope.dimension_sections expert_feed_forward_length? expert_shared_feed_forward_length? hyper_connection.count hyper_connection.low_rank attention.compress_ratios? " +
			"ple.layers? ple.ngram_size? ple.heads_per_ngram? ple.conv_kernel? ple.eos_token_id? ple.image_token_id? embedding_length_per_layer_input? ple.layer_multipliers? ple.head_offsets? ple.head_vocab_sizes?",
		attention: sameKV | rope,
		experts:   true,
		check:     checkQwen4,
	},
	"qwen3tts":   {keys: rms + "n_deepstack_layers? rope.dimension_sections", attention: sameKV | rotFull, check: checkTTS},
	"deepseek32": {keys: rms + moe + shared + routing + latent + indexer + "rope.dimension_sections? rope.scaling.yarn_log_multiplier?", attention: rope, gating: gatingNeeded, experts: true, check: checkSparse},
	"glm-dsa":    {keys: rms + moe + shared + routing + latent + indexer + "rope.dimension_sections? attention.indexer.types?", attention: rope, gating: gatingDefault, experts: true, check: checkGLM5},
	"dots3note": {
		keys:         rms + moe + shared + routing + latent + indexer + windowed + "attention.kv_lora_rank_swa attention.key_length_mla_swa attention.value_length_mla_swa attention.indexer.types",
		attention:    rope,
		windows:      windowAlways,
		patternGiven: true,
		gating:       gatingNeeded,
		experts:      true,
		check:        checkDots3,
	},
	"hy_v4": {
		keys:      rms + moe + shared + routing + latent + "attention.indexer.head_count? attention.indexer.key_length? attention.indexer.top_k? attention.indexer.types? swiglu_clamp_exp? hyper_connection.count hyper_connection.epsilon hyper_connection.magnitude",
		attention: rope,
		gating:    gatingNeeded,
		experts:   true,
		check:     checkHunyuan4,
	},
	"deepseek4": {
		keys: rms + moe + indexer + "attention.q_lora_rank attention.sliding_window expert_shared_count expert_gating_func expert_weights_scale expert_weights_norm swiglu_clamp_exp swiglu_clamp_shexp? " +
			"attention.output_group_count attention.output_lora_rank attention.compress_rope_freq_base attention.compress_ratios hash_layer_count " +
			"hyper_connection.count hyper_connection.sinkhorn_iterations hyper_connection.epsilon",
		attention: sameKV | rope,
		windows:   windowNeeded,
		experts:   true,
		check:     checkDeepSeek4,
	},
	"mistral4": {
		keys:      rms + moe + shared + routing + latent + "attention.temperature_scale? attention.temperature_length? rope.scaling.yarn_log_multiplier?",
		attention: rope,
		gating:    gatingDefault,
		check:     checkDeepSeek2,
	},
	"deepseek2-ocr": {keys: rms + moe + shared + routing, attention: sameKV | rope | square | mha, gating: gatingDefault},
	"kimi-linear":   {keys: rms + moe + shared + routing + kimi, attention: rope | hybrid, gating: gatingNeeded, experts: true, check: checkKDA},
	"kimi-k3": {
		keys:      rms + moe + shared + routing + kimi + "attention.q_lora_rank? kda.gate_lower_bound? expert_latent_length? attn_res.block_size activation.situ_beta activation.situ_linear_beta",
		attention: rope | hybrid,
		gating:    gatingNeeded,
		experts:   true,
		check:     checkKDA,
	},
	"bailingmoe3": {
		keys:      rms + moe + shared + routing + kimi + "attention.q_lora_rank? kda.safe_gate? kda.gate_lower_bound swiglu_clamp_exp? swiglu_clamp_shexp?",
		attention: rope | hybrid,
		gating:    gatingNeeded,
		experts:   true,
		check:     checkBailing3,
	},
	"minimax-01": {keys: rms + "residual_scale attention.recurrent_layers? full_attention_interval?", attention: sameKV | rope, experts: true, check: checkRecurrentLayers(8, checkLightning)},
	"minimax-m3": {
		keys:      rms + moe + shared + routing + indexer + "attention.indexer.block_size attention.indexer.local_blocks",
		attention: sameKV | rope,
		gating:    gatingNeeded,
		experts:   true,
		check:     checkMiniMax3,
	},
	"cohere2moe": {
		keys:       "attention.layer_norm_epsilon? attention.layer_norm_rms_epsilon? " + moe + shared + routing + windowed + "logit_scale",
		attention:  sameKV | rotFull,
		window:     4,
		windows:    windowAlways,
		denseFirst: true,
		gating:     gatingDefault,
	},
	"exaone-moe":    {keys: rms + moe + shared + routing + windowed, attention: sameKV | rotFull, window: 4, windows: windowAlways, gating: gatingNeeded},
	"granite_swa":   {keys: rms + windowed + granite + "deepstack_mapping? attention.rope_pattern?", attention: sameKV | rotFull, windows: windowAlways, patternGiven: true, check: checkDeepStackMap},
	"graniteswitch": {keys: rms + granite + "adapters.count adapters.lora_rank adapters.router_gain? adapters.token_ids_activate adapters.token_ids_substitute", attention: sameKV | rotFull, check: checkSwitch},
	"laguna":        {keys: rms + moe + shared + routing + windowed, attention: sameKV | rope | perLayerHeads, window: 4, denseFirst: true, gating: gatingDefault},
	"maple":         {keys: rms + moe + windowed + "swiglu_clamp_exp", attention: sameKV | rope, windows: windowAlways, patternGiven: true, experts: true},
	"mellum":        {keys: rms + moe + windowed, attention: sameKV | rotFull, window: 4},
	"mimo2":         {keys: rms + moe + windowed + "attention.value_scale?", attention: rope | perLayerHeads, windows: windowAlways, patternGiven: true, check: checkSameHeads},
	"step35": {
		keys:         rms + moe + shared + routing + windowed + "swiglu_clamp_exp? swiglu_clamp_shexp?",
		attention:    rope | perLayerHeads,
		windows:      windowAlways,
		patternGiven: true,
		check:        checkHalfRope,
		gating:       gatingDefault,
	},
	"spark2_5":     {keys: rms + windowed, attention: sameKV | rope, windows: windowAlways, patternGiven: true},
	"muse-glimmer": {keys: rms + windowed + "final_logit_softcapping? logit_scale", attention: sameKV | rope, window: 4, windows: windowAlways},
	"plamo3":       {keys: rms + windowed, attention: rope, window: 8, check: checkSameHeads},
	"modern-bert":  {keys: layerNorm + windowed + "hidden_activation?", attention: sameKV | rope | square, window: 3, denseFirst: true, check: checkBothKinds},
	"eurobert":     {keys: rms, attention: sameKV | rope | square},
	"hrm_text":     {keys: rms + "embedding_scale? hrm.layers_per_stack hrm.h_cycles hrm.l_cycles hrm.prefix_lm?", attention: sameKV | rope, check: checkStacks},
	"nanbeige":     {keys: rms + "num_loops? skip_loop_final_norm?", attention: sameKV | rope, check: checkLoops},
	"hunyuan_vl":   {keys: rms + "rope.dimension_sections?", attention: sameKV | rotFull},
	"hy_v3":        {keys: rms + moe + shared + routing, attention: sameKV | rotFull, keepsNextN: true, gating: gatingDefault},
	"jais2":        {keys: layerNorm, attention: sameKV | rotFull},
	"llama-embed":  {keys: rms, attention: sameKV | rotFull},
	"maincoder":    {keys: rms, attention: sameKV | rotFull},
	"paddleocr":    {keys: rms + "expert_feed_forward_length? expert_shared_feed_forward_length? interleave_moe_layer_step? leading_dense_block_count? rope.dimension_sections", attention: sameKV | rotFull},
	"pockettts":    {keys: layerNorm, attention: sameKV | rotFull | square, check: checkQKV},
	"talkie":       {keys: rms + "logit_scale", attention: sameKV | rotFull},

	// Gone.
	"solar": {gone: true},

	// Changed.
	"afmoe":           like("afmoe", windowed+"leading_dense_block_count?"),
	"bailingmoe":      like("bailingmoe", "leading_dense_block_count? expert_weights_scale?"),
	"bailingmoe2":     like("bailingmoe2", "leading_dense_block_count? expert_shared_feed_forward_length? expert_weights_scale?"),
	"chameleon":       like("chameleon", "swin_norm?"),
	"cohere2":         like("cohere2", windowed),
	"command-r":       like("command-r", "logit_scale?"),
	"deepseek":        like("deepseek", "leading_dense_block_count? expert_weights_scale?"),
	"deepseek2":       like("deepseek2", "leading_dense_block_count? expert_weights_scale?"),
	"dots1":           like("dots1", "leading_dense_block_count? expert_weights_scale?"),
	"ernie4_5":        like("ernie4_5", "rope.dimension_sections?"),
	"ernie4_5-moe":    like("ernie4_5-moe", "rope.dimension_sections? leading_dense_block_count?"),
	"exaone4":         like("exaone4", windowed),
	"gemma-embedding": like("gemma-embedding", windowed).checked(checkEmbeddingGemma),
	"gemma2":          like("gemma2", windowed),
	"gemma3":          like("gemma3", windowed),
	"gemma3n":         like("gemma3n", windowed),
	"glm4moe":         like("glm4moe", "expert_weights_scale?"),
	"gpt-oss":         like("gpt-oss", windowed),
	"granite":         like("granite", granite+"deepstack_mapping?"),
	"granitemoe":      like("granitemoe", granite),
	"grovemoe":        like("grovemoe", "expert_chunk_feed_forward_length?"),
	"hunyuan-dense":   like("hunyuan-dense", "rope.dimension_sections?"),
	"hunyuan-moe":     like("hunyuan-moe", "expert_shared_feed_forward_length?"),
	"jais":            like("jais", "attention.max_alibi_bias?"),
	"lfm2":            like("lfm2", windowed),
	"lfm2moe":         like("lfm2moe", windowed+"leading_dense_block_count?"),
	"llama4":          like("llama4", windowed).windowed(windowNeededIfGiven).checked(checkNoRope),
	"mpt":             like("mpt", "attention.max_alibi_bias?"),
	"nemotron_h":      like("nemotron_h", "attention.layer_norm_epsilon attention.layer_norm_rms_epsilon? moe_latent_size?"),
	"nemotron_h_moe":  like("nemotron_h_moe", "attention.layer_norm_epsilon attention.layer_norm_rms_epsilon? moe_latent_size?"),
	"olmo2":           like("olmo2", windowed),
	"qwen3next":       like("qwen3next", deltaNet).checked(checkQwen3Next),
	"smallthinker":    like("smallthinker", windowed).firstDense(4),
}

// like returns the rule of the compiled-in engine with keys that replace those of the same name.
func like(arch, keys string) archRule {
	rule := architectures[arch]
	rule.keys = mergeKeys(rule.keys, keys)
	return rule
}

// checked returns the rule with a check.
func (r archRule) checked(check func(*hyperparameters) error) archRule {
	r.check = check
	return r
}

// firstDense returns the rule with another period of layers with and without a window, which begins with
// one without.
func (r archRule) firstDense(period int) archRule {
	r.window, r.denseFirst = period, true
	return r
}

// windowed returns the rule with another rule for windows.
func (r archRule) windowed(w windowRule) archRule {
	r.windows = w
	return r
}
