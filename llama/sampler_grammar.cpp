// A sampler over the engine's grammars in place of the engine's own one, which has
// three faults for a process that must not end: it prints to the standard error, it
// asserts when the end of generation is accepted too early, and it knows no bound to
// the number of ways in which a text can be read. Its lazy form matches a regular
// expression over all of the text so far, by a function that recurses for every byte.

#include "guard.h"
#include "sampler_grammar.h"

#include <algorithm>
#include <memory>

// From llama.cpp's internal interface; that it is the same is for the linker to say.
struct llama_grammar;
struct llama_grammar_element;
struct ollama_vocab;
llama_grammar * llama_grammar_init_impl(const llama_vocab * vocab, const ollama_vocab * other, const char * grammar, const char * root, bool lazy,
        const char ** patterns, size_t n_patterns, const llama_token * tokens, size_t n_tokens);
void            llama_grammar_free_impl(llama_grammar * grammar);
llama_grammar * llama_grammar_clone_impl(const llama_grammar & grammar);
void            llama_grammar_apply_impl(const llama_grammar & grammar, llama_token_data_array * candidates);
void            llama_grammar_accept_token(llama_grammar & grammar, llama_token token, const std::string & piece);
std::vector<std::vector<const llama_grammar_element *>> & llama_grammar_get_stacks(llama_grammar * grammar);

namespace infer {

namespace {

// The engine recurses as deep as a stack is high and copies all stacks for every
// character. Grammars that people write have a few dozen, a few dozen high.
constexpr size_t max_stacks = 2048;
constexpr size_t max_height = 4096;

struct grammar_free {
    void operator()(llama_grammar * g) const { llama_grammar_free_impl(g); }
};
using grammar_ptr = std::unique_ptr<llama_grammar, grammar_free>;

struct state {
    const llama_vocab *      vocab;
    std::string              text;
    std::string              root;
    bool                     lazy;
    std::vector<std::string> words;
    std::vector<llama_token> tokens;

    grammar_ptr grammar;
    bool        waiting; // for a word or token
    std::string seen;    // while waiting: what could be the beginning of a word

    void begin() {
        grammar.reset(llama_grammar_init_impl(vocab, nullptr, text.c_str(), root.c_str(), false, nullptr, 0, nullptr, 0));
        if (!grammar) {
            throw std::runtime_error("grammar refused");
        }
        waiting = lazy;
        seen.clear();
        bound();
    }

    void bound() {
        const auto & stacks = llama_grammar_get_stacks(grammar.get());
        if (stacks.size() > max_stacks) {
            throw std::runtime_error("the grammar allows more than " + std::to_string(max_stacks) + " ways to read the text");
        }
        for (const auto & s : stacks) {
            if (s.size() > max_height) {
                throw std::runtime_error("the text is nested deeper than " + std::to_string(max_height) + " in the grammar");
            }
        }
    }

    bool at_end() {
        const auto & stacks = llama_grammar_get_stacks(grammar.get());
        return std::any_of(stacks.begin(), stacks.end(), [](const auto & s) { return s.empty(); });
    }

    std::string piece(llama_token token) {
        std::string p(64, 0);
        int32_t n = llama_token_to_piece(vocab, token, &p[0], (int32_t) p.size(), 0, true);
        if (n < 0) {
            p.resize(-n);
            n = llama_token_to_piece(vocab, token, &p[0], (int32_t) p.size(), 0, true);
        }
        p.resize(n);
        return p;
    }

    void follow(llama_token token, const std::string & text) {
        llama_grammar_accept_token(*grammar, token, text);
        bound();
    }

    void accept(llama_token token) {
        const std::string p = piece(token);
        if (waiting) {
            if (std::find(tokens.begin(), tokens.end(), token) != tokens.end()) {
                waiting = false;
                follow(token, p);
                return;
            }
            seen += p;
            size_t at = std::string::npos, longest = 0;
            for (const std::string & w : words) {
                at = std::min(at, seen.find(w));
                longest = std::max(longest, w.size());
            }
            if (at != std::string::npos) {
                waiting = false;
                follow(token, seen.substr(at));
                seen.clear();
            } else if (seen.size() >= longest) {
                seen.erase(0, seen.size() - (longest > 0 ? longest - 1 : 0));
            }
            return;
        }
        if (llama_vocab_is_eog(vocab, token)) {
            if (!at_end()) {
                throw std::runtime_error("the generation ends where the grammar does not");
            }
            return;
        }
        follow(token, p);
    }
};

state * of(const llama_sampler * s) { return (state *) s->ctx; }

const char * name(const llama_sampler *) { return "grammar"; }
void accept(llama_sampler * s, llama_token token) { of(s)->accept(token); }
void reset(llama_sampler * s) { of(s)->begin(); }
void release(llama_sampler * s) { delete of(s); }

void apply(llama_sampler * s, llama_token_data_array * candidates) {
    state * g = of(s);
    if (!g->waiting) {
        // Without a stack left, the text has left the grammar by an error that the
        // caller has been told.
        if (llama_grammar_get_stacks(g->grammar.get()).empty()) {
            throw std::runtime_error("the text does not follow the grammar");
        }
        llama_grammar_apply_impl(*g->grammar, candidates);
    }
}

llama_sampler * clone(const llama_sampler * s);

const llama_sampler_i iface = {name, accept, apply, reset, clone, release};

llama_sampler * clone(const llama_sampler * s) {
    const state * g = of(s);
    std::unique_ptr<state> c(new state{g->vocab, g->text, g->root, g->lazy, g->words, g->tokens,
        grammar_ptr(llama_grammar_clone_impl(*g->grammar)), g->waiting, g->seen});
    llama_sampler * result = llama_sampler_init(&iface, c.get());
    c.release();
    return result;
}

} // namespace

llama_sampler * new_grammar(const llama_vocab * vocab, const char * grammar, const char * root, bool lazy,
        std::vector<std::string> words, std::vector<llama_token> tokens) {
    std::unique_ptr<state> g(new state{vocab, grammar, root, lazy, std::move(words), std::move(tokens), nullptr, false, {}});
    g->begin();
    llama_sampler * result = llama_sampler_init(&iface, g.get());
    g.release();
    return result;
}

bool is_grammar(const llama_sampler * s) {
    return s->iface == &iface;
}

} // namespace infer
