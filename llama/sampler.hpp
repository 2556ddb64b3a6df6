// Sampler chains. A request can trigger assertions in the engine's own llama_sampler_sample. So the
// chain is applied here, one sampler after another, and candidates that the last sampler cannot
// handle are an error.

#include "guard.h"
#include "sampler_grammar.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

using infer::guarded;

struct infer_sampler {
    const llama_vocab *           vocab;
    llama_sampler *               chain;
    std::vector<llama_token_data> candidates;
    std::vector<llama_token>      accepted;   // the last tokens, to restore penalties in a clone
    size_t                        window = 0; // number of tokens that the penalties look at
};

namespace {

template <typename F>
bool add(infer_sampler * s, infer_error * err, F && init) {
    return guarded(err, false, [&] {
        llama_sampler * link = init();
        if (!link) {
            return false;
        }
        llama_sampler_chain_add(s->chain, link);
        return true;
    });
}

// check throws if the last sampler would choose any candidate at random, or fail an assertion.
void check(const llama_token_data_array & c) {
    bool possible = false;
    for (size_t i = 0; i < c.size; i++) {
        const float l = c.data[i].logit;
        if (std::isnan(l) || l == INFINITY) {
            throw infer::no_choice("the samplers made a logit infinite: use less extreme parameters");
        }
        possible |= l != -INFINITY;
    }
    if (!possible) {
        throw infer::no_choice("the samplers exclude all tokens: use less strict parameters");
    }
}

// refused reports whether a grammar of the chain can't go on after a token that starts it.
bool refused(const infer_sampler * s, llama_token token) {
    for (int i = 0; i < llama_sampler_chain_n(s->chain); i++) {
        if (infer::grammar_refuses(llama_sampler_chain_get(s->chain, i), token)) {
            return true;
        }
    }
    return false;
}

// choose_of chooses among all tokens, or, if strict is set, among those that are not refused.
llama_token choose_of(infer_sampler * s, const float * logits, int32_t n, bool strict) {
    s->candidates.resize(n);
    for (int32_t i = 0; i < n; i++) {
        if (std::isnan(logits[i]) || logits[i] == INFINITY) {
            throw std::runtime_error("the logit of token " + std::to_string(i) + " is not a number, or infinite");
        }
        s->candidates[i] = {i, strict && refused(s, i) ? -INFINITY : logits[i], 0.0f};
    }
    llama_token_data_array c = {s->candidates.data(), s->candidates.size(), -1, false};
    const int links = llama_sampler_chain_n(s->chain);
    for (int i = 0; i < links; i++) {
        if (i == links - 1) {
            check(c);
        }
        llama_sampler_apply(llama_sampler_chain_get(s->chain, i), &c);
    }
    if (c.selected < 0 || (size_t) c.selected >= c.size) {
        throw std::runtime_error("no sampler of the chain chooses a token: add one that does, such as greedy or dist");
    }
    return c.data[c.selected].id;
}

llama_token choose(infer_sampler * s, const float * logits, int32_t n) {
    const llama_token token = choose_of(s, logits, n, false);
    return refused(s, token) ? choose_of(s, logits, n, true) : token;
}

void accept(infer_sampler * s, llama_token token, bool prompt) {
    if (s->window > 0) {
        if (s->accepted.size() >= 2 * s->window) {
            s->accepted.erase(s->accepted.begin(), s->accepted.end() - s->window);
        }
        s->accepted.push_back(token);
    }
    for (int i = 0; i < llama_sampler_chain_n(s->chain); i++) {
        llama_sampler * link = llama_sampler_chain_get(s->chain, i);
        if (!prompt || !infer::is_grammar(link)) {
            llama_sampler_accept(link, token);
        }
    }
}

} // namespace

infer_sampler * infer_sampler_new(const struct llama_vocab * vocab, infer_error * err) {
    return guarded(err, (infer_sampler *) nullptr, [&] {
        llama_sampler_chain_params params = llama_sampler_chain_default_params();
        params.no_perf = true;
        return new infer_sampler{vocab, llama_sampler_chain_init(params), {}, {}};
    });
}

const char * infer_sampler_name(const infer_sampler * s, int i) {
    return llama_sampler_name(llama_sampler_chain_get(s->chain, i));
}

infer_sampler * infer_sampler_clone(const infer_sampler * s, infer_error * err) {
    return guarded(err, (infer_sampler *) nullptr, [&]() -> infer_sampler * {
        for (int i = 0; i < llama_sampler_chain_n(s->chain); i++) {
            // The engine's clone of it loses its state.
            if (strcmp(infer_sampler_name(s, i), "mirostat") == 0) {
                throw std::runtime_error("a chain with mirostat 1 cannot be cloned: use mirostat 2");
            }
        }
        infer_sampler * c = new infer_sampler{s->vocab, llama_sampler_clone(s->chain), {}, s->accepted, s->window};
        for (int i = 0; i < llama_sampler_chain_n(c->chain); i++) {
            if (strcmp(infer_sampler_name(c, i), "penalties") == 0) {
                // The engine's clone has the tokens but not their counts.
                llama_sampler * link = llama_sampler_chain_get(c->chain, i);
                llama_sampler_reset(link);
                for (llama_token t : c->accepted) {
                    llama_sampler_accept(link, t);
                }
            }
        }
        return c;
    });
}

void infer_sampler_free(infer_sampler * s) {
    llama_sampler_free(s->chain);
    delete s;
}

int infer_sampler_count(const infer_sampler * s) {
    return llama_sampler_chain_n(s->chain);
}

uint32_t infer_sampler_seed(const infer_sampler * s) {
    return llama_sampler_get_seed(s->chain);
}

bool infer_sampler_reset(infer_sampler * s, infer_error * err) {
    return guarded(err, false, [&] {
        llama_sampler_reset(s->chain);
        s->accepted.clear();
        return true;
    });
}

bool infer_sampler_accept(infer_sampler * s, llama_token token, bool prompt, infer_error * err) {
    return guarded(err, false, [&] {
        accept(s, token, prompt);
        return true;
    });
}

llama_token infer_sampler_choose(infer_sampler * s, const float * logits, int32_t n, infer_error * err) {
    return guarded(err, (llama_token) -1, [&] { return choose(s, logits, n); });
}

llama_token infer_sampler_sample(infer_sampler * s, struct llama_context * ctx, int32_t i, infer_error * err) {
    return guarded(err, (llama_token) -1, [&] {
        const float * logits = llama_get_logits_ith(ctx, i);
        if (!logits) {
            throw std::runtime_error("the last batch has no logits for index " + std::to_string(i));
        }
        const llama_token token = choose(s, logits, llama_vocab_n_tokens(s->vocab));
        accept(s, token, false);
        return token;
    });
}

bool infer_add_greedy(infer_sampler * s, infer_error * err) {
    return add(s, err, [&] { return llama_sampler_init_greedy(); });
}

bool infer_add_dist(infer_sampler * s, uint32_t seed, infer_error * err) {
    return add(s, err, [&] { return llama_sampler_init_dist(seed); });
}

bool infer_add_top_k(infer_sampler * s, int32_t k, infer_error * err) {
    return add(s, err, [&] { return llama_sampler_init_top_k(k); });
}

bool infer_add_top_p(infer_sampler * s, float p, size_t keep, infer_error * err) {
    return add(s, err, [&] { return llama_sampler_init_top_p(p, keep); });
}

bool infer_add_min_p(infer_sampler * s, float p, size_t keep, infer_error * err) {
    return add(s, err, [&] { return llama_sampler_init_min_p(p, keep); });
}

bool infer_add_typical(infer_sampler * s, float p, size_t keep, infer_error * err) {
    return add(s, err, [&] { return llama_sampler_init_typical(p, keep); });
}

bool infer_add_temp(infer_sampler * s, float t, infer_error * err) {
    return add(s, err, [&] { return llama_sampler_init_temp(t); });
}

bool infer_add_temp_ext(infer_sampler * s, float t, float delta, float exponent, infer_error * err) {
    return add(s, err, [&] { return llama_sampler_init_temp_ext(t, delta, exponent); });
}

bool infer_add_xtc(infer_sampler * s, float p, float t, size_t keep, uint32_t seed, infer_error * err) {
    return add(s, err, [&] { return llama_sampler_init_xtc(p, t, keep, seed); });
}

bool infer_add_top_n_sigma(infer_sampler * s, float n, infer_error * err) {
    return add(s, err, [&] { return llama_sampler_init_top_n_sigma(n); });
}

bool infer_add_mirostat(infer_sampler * s, uint32_t seed, float tau, float eta, int32_t m, infer_error * err) {
    return add(s, err, [&] { return llama_sampler_init_mirostat(llama_vocab_n_tokens(s->vocab), seed, tau, eta, m); });
}

bool infer_add_mirostat_v2(infer_sampler * s, uint32_t seed, float tau, float eta, infer_error * err) {
    return add(s, err, [&] { return llama_sampler_init_mirostat_v2(seed, tau, eta); });
}

bool infer_add_penalties(infer_sampler * s, int32_t last_n, float repeat, float frequency, float presence, infer_error * err) {
    return add(s, err, [&] {
        s->window = std::max(s->window, (size_t) std::max(last_n, 0));
        return infer::init_penalties(llama_vocab_n_tokens(s->vocab), last_n, repeat, frequency, presence);
    });
}

bool infer_add_dry(infer_sampler * s, int32_t n_ctx, float multiplier, float base, int32_t allowed_length, int32_t last_n,
        const char ** breakers, size_t n_breakers, infer_error * err) {
    return add(s, err, [&] { return llama_sampler_init_dry(s->vocab, n_ctx, multiplier, base, allowed_length, last_n, breakers, n_breakers); });
}

bool infer_add_logit_bias(infer_sampler * s, int32_t n, const llama_logit_bias * bias, infer_error * err) {
    return add(s, err, [&] { return llama_sampler_init_logit_bias(llama_vocab_n_tokens(s->vocab), n, bias); });
}

bool infer_add_infill(infer_sampler * s, infer_error * err) {
    return add(s, err, [&] { return llama_sampler_init_infill(s->vocab); });
}

bool infer_add_grammar(infer_sampler * s, const infer_pieces * pieces, const infer_grammar_element * elements, const uint32_t * starts, size_t n_rules, const char * names, uint32_t root,
        bool lazy, const char ** words, size_t n_words, const llama_token * tokens, size_t n_tokens, infer_error * err) {
    return add(s, err, [&] {
        infer::rules r{{elements, elements + starts[n_rules]}, {starts, starts + n_rules + 1}, root, names};
        return infer::new_grammar(s->vocab, pieces, std::move(r), lazy, {words, words + n_words}, {tokens, tokens + n_tokens});
    });
}

uint64_t infer_sampler_work(const infer_sampler * s) {
    uint64_t sum = 0;
    for (int i = 0; i < llama_sampler_chain_n(s->chain); i++) {
        sum += infer::grammar_work(llama_sampler_chain_get(s->chain, i));
    }
    return sum;
}
