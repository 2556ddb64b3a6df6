// Tokenization and chat templates. See shim.h.

#ifndef INFER_SHIM_TEXT_H
#define INFER_SHIM_TEXT_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

// stack > 0: the tokenizer runs on a thread with a stack of that many bytes, since some tokenizers
// recurse once per character of a word.
int32_t infer_tokenize(const struct llama_vocab * vocab, const char * text, int32_t text_len, llama_token * tokens, int32_t n_max,
        bool add_special, bool parse_special, size_t stack, infer_error * err);
int32_t infer_piece(const struct llama_vocab * vocab, llama_token token, char * buf, int32_t length, bool special, infer_error * err);
// The buffer size in bytes that infer_detokenize needs, SIZE_MAX on failure.
size_t  infer_detokenize_size(const struct llama_vocab * vocab, const llama_token * tokens, size_t n, bool unparse_special, infer_error * err);
int32_t infer_detokenize(const struct llama_vocab * vocab, const llama_token * tokens, int32_t n, char * text, int32_t length,
        bool remove_special, bool unparse_special, infer_error * err);
int32_t infer_chat(const char * tmpl, const struct llama_chat_message * chat, size_t n, bool add_assistant, char * buf, int32_t length, infer_error * err);

#ifdef __cplusplus
}
#endif

#endif
