// The table of the functions of an engine that Go calls, and the functions by which Go calls those of
// the engine in use. Which engine that is, is chosen once, before the first call.

#ifndef INFER_ENGINE_TABLE_H
#define INFER_ENGINE_TABLE_H

#include "shim_context.h"
#include "shim_layers.h"
#include "shim_lora.h"
#include "shim_quantize.h"
#include "shim_sampler.h"
#include "shim_system.h"
#include "shim_text.h"
#include "shim_weights.h"

// Functions of this package that are compiled for each engine; the headers above describe them.
// X(result, name, parameters, arguments)
#define INFER_SHIM_FUNCTIONS(X) \
    X(void, infer_init, (void), ()) \
    X(bool, infer_kernels_used, (void), ()) \
    X(bool, infer_kernel_agrees, (enum ggml_type type, int64_t length, int64_t rows, int64_t vectors, int64_t experts, int64_t each, bool plain, int numbers), (type, length, rows, vectors, experts, each, plain, numbers)) \
    X(infer_context_params, infer_context_defaults, (void), ()) \
    X(struct llama_context *, infer_context_new, (struct llama_model * model, infer_context_params params, infer_scope scope, infer_error * err), (model, params, scope, err)) \
    X(void, infer_context_free, (struct llama_context * ctx), (ctx)) \
    X(int32_t, infer_decode, (struct llama_context * ctx, struct llama_batch batch, infer_scope scope, infer_error * err), (ctx, batch, scope, err)) \
    X(int32_t, infer_encode, (struct llama_context * ctx, struct llama_batch batch, infer_scope scope, infer_error * err), (ctx, batch, scope, err)) \
    X(void, infer_memory_settle, (struct llama_context * ctx, infer_scope scope, infer_error * err), (ctx, scope, err)) \
    X(size_t, infer_state_size, (struct llama_context * ctx, llama_seq_id seq, uint32_t flags, infer_error * err), (ctx, seq, flags, err)) \
    X(size_t, infer_state_get, (struct llama_context * ctx, llama_seq_id seq, uint32_t flags, uint8_t * dst, size_t size, infer_error * err), (ctx, seq, flags, dst, size, err)) \
    X(size_t, infer_state_set, (struct llama_context * ctx, llama_seq_id seq, uint32_t flags, const uint8_t * src, size_t size, infer_scope scope, infer_error * err), (ctx, seq, flags, src, size, scope, err)) \
    X(size_t, infer_state_save, (struct llama_context * ctx, llama_seq_id seq, const char * path, const llama_token * tokens, size_t n, infer_error * err), (ctx, seq, path, tokens, n, err)) \
    X(size_t, infer_state_load, (struct llama_context * ctx, llama_seq_id seq, const char * path, llama_token * tokens, size_t most, size_t * n, infer_scope scope, infer_error * err), (ctx, seq, path, tokens, most, n, scope, err)) \
    X(float *, infer_logits, (struct llama_context * ctx, int32_t i, infer_error * err), (ctx, i, err)) \
    X(float *, infer_embedding, (struct llama_context * ctx, int32_t i, infer_error * err), (ctx, i, err)) \
    X(float *, infer_embedding_seq, (struct llama_context * ctx, llama_seq_id seq, infer_error * err), (ctx, seq, err)) \
    X(infer_streams *, infer_streams_new, (void), ()) \
    X(void, infer_streams_free, (infer_streams * s), (s)) \
    X(bool, infer_streams_any, (const infer_streams * s), (s)) \
    X(bool, infer_streams_set, (infer_streams * s, const infer_weights * w, size_t i, int layer, void * slot, infer_error * err), (s, w, i, layer, slot, err)) \
    X(bool, infer_streams_set_experts, (infer_streams * s, const infer_weights * w, size_t i, int layer, void * base, size_t stride, int slots, infer_error * err), (s, w, i, layer, base, stride, slots, err)) \
    X(infer_layers *, infer_layers_new, (uintptr_t layers, infer_streams * streams, bool watched), (layers, streams, watched)) \
    X(void, infer_layers_free, (infer_layers * l), (l)) \
    X(void, infer_layers_begin, (infer_layers * l), (l)) \
    X(struct llama_adapter_lora *, infer_adapter_load, (struct llama_model * model, const char * path, infer_scope scope, infer_error * err), (model, path, scope, err)) \
    X(void, infer_forget_graph, (struct llama_context * ctx), (ctx)) \
    X(bool, infer_adapters_set, (struct llama_context * ctx, struct llama_adapter_lora ** adapters, float * scales, size_t n, infer_error * err), (ctx, adapters, scales, n, err)) \
    X(bool, infer_adapter_cvec, (struct llama_context * ctx, const float * data, size_t len, int32_t n_embd, int32_t first, int32_t last, infer_scope scope, infer_error * err), (ctx, data, len, n_embd, first, last, scope, err)) \
    X(bool, infer_quantize, (const char * in, const char * out, infer_quantize_params params, uintptr_t progress, infer_error * err), (in, out, params, progress, err)) \
    X(size_t, infer_quantize_rows, (enum ggml_type type, const float * src, void * dst, int64_t rows, int64_t row, infer_error * err), (type, src, dst, rows, row, err)) \
    X(infer_sampler *, infer_sampler_new, (const struct llama_vocab * vocab, infer_error * err), (vocab, err)) \
    X(infer_sampler *, infer_sampler_clone, (const infer_sampler * s, infer_error * err), (s, err)) \
    X(void, infer_sampler_free, (infer_sampler * s), (s)) \
    X(int, infer_sampler_count, (const infer_sampler * s), (s)) \
    X(const char *, infer_sampler_name, (const infer_sampler * s, int i), (s, i)) \
    X(uint32_t, infer_sampler_seed, (const infer_sampler * s), (s)) \
    X(bool, infer_sampler_reset, (infer_sampler * s, infer_error * err), (s, err)) \
    X(bool, infer_sampler_accept, (infer_sampler * s, llama_token token, bool prompt, infer_error * err), (s, token, prompt, err)) \
    X(llama_token, infer_sampler_sample, (infer_sampler * s, struct llama_context * ctx, int32_t i, infer_error * err), (s, ctx, i, err)) \
    X(llama_token, infer_sampler_choose, (infer_sampler * s, const float * logits, int32_t n, infer_error * err), (s, logits, n, err)) \
    X(bool, infer_add_greedy, (infer_sampler * s, infer_error * err), (s, err)) \
    X(bool, infer_add_dist, (infer_sampler * s, uint32_t seed, infer_error * err), (s, seed, err)) \
    X(bool, infer_add_top_k, (infer_sampler * s, int32_t k, infer_error * err), (s, k, err)) \
    X(bool, infer_add_top_p, (infer_sampler * s, float p, size_t keep, infer_error * err), (s, p, keep, err)) \
    X(bool, infer_add_min_p, (infer_sampler * s, float p, size_t keep, infer_error * err), (s, p, keep, err)) \
    X(bool, infer_add_typical, (infer_sampler * s, float p, size_t keep, infer_error * err), (s, p, keep, err)) \
    X(bool, infer_add_temp, (infer_sampler * s, float t, infer_error * err), (s, t, err)) \
    X(bool, infer_add_temp_ext, (infer_sampler * s, float t, float delta, float exponent, infer_error * err), (s, t, delta, exponent, err)) \
    X(bool, infer_add_xtc, (infer_sampler * s, float p, float t, size_t keep, uint32_t seed, infer_error * err), (s, p, t, keep, seed, err)) \
    X(bool, infer_add_top_n_sigma, (infer_sampler * s, float n, infer_error * err), (s, n, err)) \
    X(bool, infer_add_mirostat, (infer_sampler * s, uint32_t seed, float tau, float eta, int32_t m, infer_error * err), (s, seed, tau, eta, m, err)) \
    X(bool, infer_add_mirostat_v2, (infer_sampler * s, uint32_t seed, float tau, float eta, infer_error * err), (s, seed, tau, eta, err)) \
    X(bool, infer_add_penalties, (infer_sampler * s, int32_t last_n, float repeat, float frequency, float presence, infer_error * err), (s, last_n, repeat, frequency, presence, err)) \
    X(bool, infer_add_dry, (infer_sampler * s, int32_t n_ctx, float multiplier, float base, int32_t allowed_length, int32_t last_n, const char ** breakers, size_t n_breakers, infer_error * err), (s, n_ctx, multiplier, base, allowed_length, last_n, breakers, n_breakers, err)) \
    X(bool, infer_add_logit_bias, (infer_sampler * s, int32_t n, const llama_logit_bias * bias, infer_error * err), (s, n, bias, err)) \
    X(bool, infer_add_infill, (infer_sampler * s, infer_error * err), (s, err)) \
    X(infer_pieces *, infer_pieces_new, (const struct llama_vocab * vocab, infer_error * err), (vocab, err)) \
    X(void, infer_pieces_free, (infer_pieces * p), (p)) \
    X(bool, infer_add_grammar, (infer_sampler * s, const infer_pieces * pieces, const infer_grammar_element * elements, const uint32_t * starts, size_t n_rules, const char * names, uint32_t root, bool lazy, const char ** words, size_t n_words, const llama_token * tokens, size_t n_tokens, infer_error * err), (s, pieces, elements, starts, n_rules, names, root, lazy, words, n_words, tokens, n_tokens, err)) \
    X(uint64_t, infer_sampler_work, (const infer_sampler * s), (s)) \
    X(const char *, infer_version, (void), ()) \
    X(uint32_t, infer_type_count, (void), ()) \
    X(size_t, infer_repack_types, (void), ()) \
    X(void, infer_devices_changed, (void), ()) \
    X(size_t, infer_device_largest, (size_t device), (device)) \
    X(bool, infer_weights_place, (infer_weights * w, infer_scope scope, infer_error * err), (w, scope, err)) \
    X(const char *, infer_repack_type, (size_t i), (i)) \
    X(bool, infer_backends_fit, (const char * path, infer_error * err), (path, err)) \
    X(int32_t, infer_tokenize, (const struct llama_vocab * vocab, const char * text, int32_t text_len, llama_token * tokens, int32_t n_max, bool add_special, bool parse_special, size_t stack, infer_error * err), (vocab, text, text_len, tokens, n_max, add_special, parse_special, stack, err)) \
    X(int32_t, infer_piece, (const struct llama_vocab * vocab, llama_token token, char * buf, int32_t length, bool special, infer_error * err), (vocab, token, buf, length, special, err)) \
    X(size_t, infer_detokenize_size, (const struct llama_vocab * vocab, const llama_token * tokens, size_t n, bool unparse_special, infer_error * err), (vocab, tokens, n, unparse_special, err)) \
    X(int32_t, infer_detokenize, (const struct llama_vocab * vocab, const llama_token * tokens, int32_t n, char * text, int32_t length, bool remove_special, bool unparse_special, infer_error * err), (vocab, tokens, n, text, length, remove_special, unparse_special, err)) \
    X(int32_t, infer_chat, (const char * tmpl, const struct llama_chat_message * chat, size_t n, bool add_assistant, char * buf, int32_t length, infer_error * err), (tmpl, chat, n, add_assistant, buf, length, err)) \
    X(struct llama_model *, infer_model_load, (const char ** paths, size_t n_paths, infer_model_params params, infer_scope scope, infer_weights ** weights, void * scratch, size_t scratch_size, infer_error * err), (paths, n_paths, params, scope, weights, scratch, scratch_size, err)) \
    X(size_t, infer_weights_count, (const infer_weights * w), (w)) \
    X(infer_weight, infer_weights_at, (const infer_weights * w, size_t i), (w, i)) \
    X(void, infer_weights_bind, (infer_weights * w, size_t i, void * data), (w, i, data)) \
    X(bool, infer_weights_repack, (infer_weights * w, size_t i, void * dst, const void * src, infer_error * err), (w, i, dst, src, err)) \
    X(infer_layout, infer_weights_layout, (const infer_weights * w, size_t i), (w, i)) \
    X(bool, infer_weights_repack_rows, (const infer_weights * w, size_t i, int64_t length, int64_t rows, void * dst, const void * src, infer_error * err), (w, i, length, rows, dst, src, err)) \
    X(bool, infer_weights_upload, (infer_weights * w, size_t i, const void * src, size_t offset, size_t size, infer_error * err), (w, i, src, offset, size, err)) \
    X(bool, infer_weights_rebind, (infer_weights * w, const infer_weights * like, infer_error * err), (w, like, err)) \
    X(void, infer_weights_free, (infer_weights * w), (w)) \
    X(int64_t, infer_positions, (const struct llama_model * model), (model)) \
    X(int64_t, infer_tensor_rows, (const struct llama_model * model, const char * name), (model, name))

// Functions of the engine itself. Go calls them by their names with the prefix infer_.
#define INFER_ENGINE_FUNCTIONS(X) \
    X(const char *, ggml_type_name, (enum ggml_type type), (type)) \
    X(int64_t, ggml_blck_size, (enum ggml_type type), (type)) \
    X(size_t, ggml_row_size, (enum ggml_type type, int64_t ne), (type, ne)) \
    X(size_t, ggml_type_size, (enum ggml_type type), (type)) \
    X(bool, ggml_validate_row_data, (enum ggml_type type, const void * data, size_t nbytes), (type, data, nbytes)) \
    X(bool, ggml_quantize_requires_imatrix, (enum ggml_type type), (type)) \
    X(int, ggml_cpu_has_sse3, (void), ()) \
    X(int, ggml_cpu_has_ssse3, (void), ()) \
    X(int, ggml_cpu_has_avx, (void), ()) \
    X(int, ggml_cpu_has_avx_vnni, (void), ()) \
    X(int, ggml_cpu_has_avx2, (void), ()) \
    X(int, ggml_cpu_has_bmi2, (void), ()) \
    X(int, ggml_cpu_has_f16c, (void), ()) \
    X(int, ggml_cpu_has_fma, (void), ()) \
    X(int, ggml_cpu_has_avx512, (void), ()) \
    X(int, ggml_cpu_has_avx512_vbmi, (void), ()) \
    X(int, ggml_cpu_has_avx512_vnni, (void), ()) \
    X(int, ggml_cpu_has_avx512_bf16, (void), ()) \
    X(int, ggml_cpu_has_neon, (void), ()) \
    X(int, ggml_cpu_has_arm_fma, (void), ()) \
    X(int, ggml_cpu_has_fp16_va, (void), ()) \
    X(int, ggml_cpu_has_dotprod, (void), ()) \
    X(int, ggml_cpu_has_matmul_int8, (void), ()) \
    X(int, ggml_cpu_has_sve, (void), ()) \
    X(int, ggml_cpu_has_sme, (void), ()) \
    X(struct ggml_threadpool_params, ggml_threadpool_params_default, (int n_threads), (n_threads)) \
    X(struct ggml_threadpool *, ggml_threadpool_new, (struct ggml_threadpool_params * params), (params)) \
    X(void, ggml_threadpool_free, (struct ggml_threadpool * threadpool), (threadpool)) \
    X(void, ggml_threadpool_pause, (struct ggml_threadpool * threadpool), (threadpool)) \
    X(void, ggml_backend_load_all_from_path, (const char * dir_path), (dir_path)) \
    X(size_t, ggml_backend_dev_count, (void), ()) \
    X(ggml_backend_dev_t, ggml_backend_dev_get, (size_t index), (index)) \
    X(const char *, ggml_backend_dev_name, (ggml_backend_dev_t device), (device)) \
    X(const char *, ggml_backend_dev_description, (ggml_backend_dev_t device), (device)) \
    X(void, ggml_backend_dev_memory, (ggml_backend_dev_t device, size_t * free, size_t * total), (device, free, total)) \
    X(enum ggml_backend_dev_type, ggml_backend_dev_type, (ggml_backend_dev_t device), (device)) \
    X(const char *, llama_print_system_info, (void), ()) \
    X(size_t, llama_max_devices, (void), ()) \
    X(size_t, llama_max_parallel_sequences, (void), ()) \
    X(bool, llama_supports_mmap, (void), ()) \
    X(bool, llama_supports_mlock, (void), ()) \
    X(bool, llama_supports_gpu_offload, (void), ()) \
    X(void, llama_model_free, (struct llama_model * model), (model)) \
    X(const struct llama_vocab *, llama_model_get_vocab, (const struct llama_model * model), (model)) \
    X(enum llama_rope_type, llama_model_rope_type, (const struct llama_model * model), (model)) \
    X(int32_t, llama_model_n_ctx_train, (const struct llama_model * model), (model)) \
    X(int32_t, llama_model_n_embd, (const struct llama_model * model), (model)) \
    X(int32_t, llama_model_n_layer, (const struct llama_model * model), (model)) \
    X(int32_t, llama_model_n_head, (const struct llama_model * model), (model)) \
    X(int32_t, llama_model_n_head_kv, (const struct llama_model * model), (model)) \
    X(int32_t, llama_model_n_swa, (const struct llama_model * model), (model)) \
    X(uint32_t, llama_model_n_cls_out, (const struct llama_model * model), (model)) \
    X(const char *, llama_model_cls_label, (const struct llama_model * model, uint32_t i), (model, i)) \
    X(int32_t, llama_model_meta_val_str, (const struct llama_model * model, const char * key, char * buf, size_t buf_size), (model, key, buf, buf_size)) \
    X(int32_t, llama_model_meta_count, (const struct llama_model * model), (model)) \
    X(int32_t, llama_model_meta_key_by_index, (const struct llama_model * model, int32_t i, char * buf, size_t buf_size), (model, i, buf, buf_size)) \
    X(int32_t, llama_model_meta_val_str_by_index, (const struct llama_model * model, int32_t i, char * buf, size_t buf_size), (model, i, buf, buf_size)) \
    X(int32_t, llama_model_desc, (const struct llama_model * model, char * buf, size_t buf_size), (model, buf, buf_size)) \
    X(uint64_t, llama_model_size, (const struct llama_model * model), (model)) \
    X(const char *, llama_model_chat_template, (const struct llama_model * model, const char * name), (model, name)) \
    X(uint64_t, llama_model_n_params, (const struct llama_model * model), (model)) \
    X(bool, llama_model_has_encoder, (const struct llama_model * model), (model)) \
    X(bool, llama_model_has_decoder, (const struct llama_model * model), (model)) \
    X(llama_token, llama_model_decoder_start_token, (const struct llama_model * model), (model)) \
    X(bool, llama_model_is_recurrent, (const struct llama_model * model), (model)) \
    X(bool, llama_model_is_hybrid, (const struct llama_model * model), (model)) \
    X(bool, llama_model_is_diffusion, (const struct llama_model * model), (model)) \
    X(int32_t, llama_adapter_meta_val_str, (const struct llama_adapter_lora * adapter, const char * key, char * buf, size_t buf_size), (adapter, key, buf, buf_size)) \
    X(int32_t, llama_adapter_meta_count, (const struct llama_adapter_lora * adapter), (adapter)) \
    X(int32_t, llama_adapter_meta_key_by_index, (const struct llama_adapter_lora * adapter, int32_t i, char * buf, size_t buf_size), (adapter, i, buf, buf_size)) \
    X(int32_t, llama_adapter_meta_val_str_by_index, (const struct llama_adapter_lora * adapter, int32_t i, char * buf, size_t buf_size), (adapter, i, buf, buf_size)) \
    X(void, llama_adapter_lora_free, (struct llama_adapter_lora * adapter), (adapter)) \
    X(uint64_t, llama_adapter_get_alora_n_invocation_tokens, (const struct llama_adapter_lora * adapter), (adapter)) \
    X(const llama_token *, llama_adapter_get_alora_invocation_tokens, (const struct llama_adapter_lora * adapter), (adapter)) \
    X(enum llama_vocab_type, llama_vocab_type, (const struct llama_vocab * vocab), (vocab)) \
    X(int32_t, llama_vocab_n_tokens, (const struct llama_vocab * vocab), (vocab)) \
    X(const char *, llama_vocab_get_text, (const struct llama_vocab * vocab, llama_token token), (vocab, token)) \
    X(float, llama_vocab_get_score, (const struct llama_vocab * vocab, llama_token token), (vocab, token)) \
    X(enum llama_token_attr, llama_vocab_get_attr, (const struct llama_vocab * vocab, llama_token token), (vocab, token)) \
    X(bool, llama_vocab_is_eog, (const struct llama_vocab * vocab, llama_token token), (vocab, token)) \
    X(bool, llama_vocab_is_control, (const struct llama_vocab * vocab, llama_token token), (vocab, token)) \
    X(llama_token, llama_vocab_bos, (const struct llama_vocab * vocab), (vocab)) \
    X(llama_token, llama_vocab_eos, (const struct llama_vocab * vocab), (vocab)) \
    X(llama_token, llama_vocab_eot, (const struct llama_vocab * vocab), (vocab)) \
    X(llama_token, llama_vocab_sep, (const struct llama_vocab * vocab), (vocab)) \
    X(llama_token, llama_vocab_nl, (const struct llama_vocab * vocab), (vocab)) \
    X(llama_token, llama_vocab_pad, (const struct llama_vocab * vocab), (vocab)) \
    X(llama_token, llama_vocab_mask, (const struct llama_vocab * vocab), (vocab)) \
    X(bool, llama_vocab_get_add_bos, (const struct llama_vocab * vocab), (vocab)) \
    X(bool, llama_vocab_get_add_eos, (const struct llama_vocab * vocab), (vocab)) \
    X(bool, llama_vocab_get_add_sep, (const struct llama_vocab * vocab), (vocab)) \
    X(llama_token, llama_vocab_fim_pre, (const struct llama_vocab * vocab), (vocab)) \
    X(llama_token, llama_vocab_fim_suf, (const struct llama_vocab * vocab), (vocab)) \
    X(llama_token, llama_vocab_fim_mid, (const struct llama_vocab * vocab), (vocab)) \
    X(llama_token, llama_vocab_fim_pad, (const struct llama_vocab * vocab), (vocab)) \
    X(llama_token, llama_vocab_fim_rep, (const struct llama_vocab * vocab), (vocab)) \
    X(llama_token, llama_vocab_fim_sep, (const struct llama_vocab * vocab), (vocab)) \
    X(int32_t, llama_chat_builtin_templates, (const char ** output, size_t len), (output, len)) \
    X(llama_memory_t, llama_get_memory, (const struct llama_context * ctx), (ctx)) \
    X(void, llama_memory_clear, (llama_memory_t mem, bool data), (mem, data)) \
    X(bool, llama_memory_seq_rm, (llama_memory_t mem, llama_seq_id seq_id, llama_pos p0, llama_pos p1), (mem, seq_id, p0, p1)) \
    X(void, llama_memory_seq_cp, (llama_memory_t mem, llama_seq_id seq_id_src, llama_seq_id seq_id_dst, llama_pos p0, llama_pos p1), (mem, seq_id_src, seq_id_dst, p0, p1)) \
    X(void, llama_memory_seq_keep, (llama_memory_t mem, llama_seq_id seq_id), (mem, seq_id)) \
    X(void, llama_memory_seq_add, (llama_memory_t mem, llama_seq_id seq_id, llama_pos p0, llama_pos p1, llama_pos delta), (mem, seq_id, p0, p1, delta)) \
    X(void, llama_memory_seq_div, (llama_memory_t mem, llama_seq_id seq_id, llama_pos p0, llama_pos p1, int d), (mem, seq_id, p0, p1, d)) \
    X(llama_pos, llama_memory_seq_pos_min, (llama_memory_t mem, llama_seq_id seq_id), (mem, seq_id)) \
    X(llama_pos, llama_memory_seq_pos_max, (llama_memory_t mem, llama_seq_id seq_id), (mem, seq_id)) \
    X(bool, llama_memory_can_shift, (llama_memory_t mem), (mem)) \
    X(uint32_t, llama_n_ctx, (const struct llama_context * ctx), (ctx)) \
    X(uint32_t, llama_n_batch, (const struct llama_context * ctx), (ctx)) \
    X(uint32_t, llama_n_ubatch, (const struct llama_context * ctx), (ctx)) \
    X(uint32_t, llama_n_seq_max, (const struct llama_context * ctx), (ctx)) \
    X(enum llama_pooling_type, llama_pooling_type, (const struct llama_context * ctx), (ctx)) \
    X(struct llama_batch, llama_batch_init, (int32_t n_tokens, int32_t embd, int32_t n_seq_max), (n_tokens, embd, n_seq_max)) \
    X(void, llama_batch_free, (struct llama_batch batch), (batch)) \
    X(void, llama_set_n_threads, (struct llama_context * ctx, int32_t n_threads, int32_t n_threads_batch), (ctx, n_threads, n_threads_batch)) \
    X(void, llama_set_embeddings, (struct llama_context * ctx, bool embeddings), (ctx, embeddings)) \
    X(void, llama_set_causal_attn, (struct llama_context * ctx, bool causal_attn), (ctx, causal_attn)) \
    X(void, llama_attach_threadpool, (struct llama_context * ctx, ggml_threadpool_t threadpool, ggml_threadpool_t threadpool_batch), (ctx, threadpool, threadpool_batch)) \
    X(void, llama_detach_threadpool, (struct llama_context * ctx), (ctx))

#ifdef __cplusplus
extern "C" {
#endif

#define INFER_MEMBER(result, name, parameters, arguments) result (*name) parameters;

typedef struct infer_engine {
    INFER_SHIM_FUNCTIONS(INFER_MEMBER)
    INFER_ENGINE_FUNCTIONS(INFER_MEMBER)
} infer_engine;

#undef INFER_MEMBER

extern const infer_engine infer_builtin; // the compiled-in engine

// infer_load_v05 loads an engine of llama.cpp v0.5.x from its libraries and uses it from now on. It must
// be called before infer_init. Paths are in UTF-8; the libraries of backends are in the n folders.
bool infer_load_v05(const char * ggml_base, const char * ggml, const char * llama, const char * const * folders, size_t n, infer_error * err);
// infer_use sets the engine that Go calls. It must be called before infer_init.
void infer_use(const infer_engine * engine);

#define INFER_DECLARE(result, name, parameters, arguments) result infer_##name parameters;
INFER_ENGINE_FUNCTIONS(INFER_DECLARE)
#undef INFER_DECLARE

#ifdef __cplusplus
}
#endif

#endif
