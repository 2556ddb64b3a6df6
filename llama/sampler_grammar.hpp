// A sampler for grammars that replaces the engine's own. The engine's prints to standard error,
// fails an assertion when the generation ends too early, and needs exponential time or unbounded
// recursion for some grammars. If lazy, it matches a regular expression against the whole text so
// far and recurses once per byte.

#include "sampler_grammar.h"

#include <algorithm>
#include <cmath>
#include <numeric>

struct infer_pieces {
    std::string              text;   // the texts of all tokens, concatenated
    std::vector<uint32_t>    starts; // offset of each token's text, then the end of the last
    std::vector<llama_token> sorted; // tokens sorted by their texts
    std::vector<bool>        ends;   // by token: whether it ends the generation

    size_t       size(llama_token t) const { return starts[t + 1] - starts[t]; }
    const char * data(llama_token t) const { return text.data() + starts[t]; }
};

infer_pieces * infer_pieces_new(const struct llama_vocab * vocab, infer_error * err) {
    return infer::guarded(err, (infer_pieces *) nullptr, [&] {
        std::unique_ptr<infer_pieces> p(new infer_pieces);
        const int32_t                 n = llama_vocab_n_tokens(vocab);
        std::string                   piece(64, 0);
        for (llama_token t = 0; t < n; t++) {
            p->starts.push_back((uint32_t) p->text.size());
            p->ends.push_back(llama_vocab_is_eog(vocab, t));
            int32_t size = llama_token_to_piece(vocab, t, &piece[0], (int32_t) piece.size(), 0, true);
            if (size < 0) {
                piece.resize(-size);
                size = llama_token_to_piece(vocab, t, &piece[0], (int32_t) piece.size(), 0, true);
            }
            p->text.append(piece.data(), strnlen(piece.data(), std::max(size, 0))); // texts end at a NUL, which no grammar can contain
        }
        p->starts.push_back((uint32_t) p->text.size());
        p->sorted.resize(n);
        std::iota(p->sorted.begin(), p->sorted.end(), 0);
        std::sort(p->sorted.begin(), p->sorted.end(), [&](llama_token a, llama_token b) {
            const int order = memcmp(p->data(a), p->data(b), std::min(p->size(a), p->size(b)));
            return order != 0 ? order < 0 : p->size(a) < p->size(b);
        });
        return p.release();
    });
}

void infer_pieces_free(infer_pieces * p) { delete p; }

namespace infer {

namespace {

struct grammar {
    const llama_vocab *          vocab;
    const infer_pieces *         pieces;
    std::shared_ptr<const rules> all;
    bool                         lazy;
    std::vector<std::string>     words;
    std::vector<llama_token>     tokens;

    machine        text;
    machine::state at      = 0;
    partial        rest    = {};    // the incomplete character at the end of the text
    bool           waiting = false; // a lazy grammar waits for a word or token
    std::string    seen    = {};    // while waiting: the end of the text, which may begin a word

    void begin() {
        text.one_token(text.empty_state());
        at      = text.begin();
        rest    = {};
        waiting = lazy;
        seen.clear();
    }

    void follow(llama_token token, const char * piece, size_t size) {
        at = text.one_token(at);
        const machine::state before = at;
        at = text.empty_state(); // the state if after_token throws
        at = text.after_token(before, token, piece, size, rest);
        if (text.empty(at)) {
            throw std::runtime_error("the grammar does not allow token " + std::to_string(token) + " after the text so far");
        }
    }

    // first_word returns where a text has the first of the words; npos: nowhere.
    size_t first_word(const std::string & in) const {
        size_t first = std::string::npos;
        for (const std::string & w : words) {
            first = std::min(first, in.find(w));
        }
        return first;
    }

    // refuses reports whether a token has a word that starts the grammar, and text behind it that is not
    // the grammar's.
    bool refuses(llama_token token) {
        if (!waiting || std::find(tokens.begin(), tokens.end(), token) != tokens.end()) {
            return false;
        }
        const std::string all   = seen + std::string(pieces->data(token), pieces->size(token));
        const size_t      first = first_word(all);
        if (first == std::string::npos) {
            return false;
        }
        partial unfinished = rest;
        at = text.one_token(at);
        return text.empty(text.after_token(at, token, all.data() + first, all.size() - first, unfinished));
    }

    void accept(llama_token token) {
        const char * piece = pieces->data(token);
        const size_t size  = pieces->size(token);
        if (waiting) {
            if (std::find(tokens.begin(), tokens.end(), token) != tokens.end()) {
                waiting = false;
                follow(token, piece, size);
                return;
            }
            seen.append(piece, size);
            const size_t first = first_word(seen);
            if (first != std::string::npos) {
                waiting = false;
                const std::string from = seen.substr(first);
                seen.clear();
                follow(token, from.data(), from.size());
                return;
            }
            size_t longest = 1;
            for (const std::string & w : words) {
                longest = std::max(longest, w.size());
            }
            seen.erase(0, seen.size() - std::min(seen.size(), longest - 1));
            return;
        }
        if (pieces->ends[token]) {
            if (!text.ends(at)) {
                throw std::runtime_error("the generation ended before the grammar allows its end");
            }
            return;
        }
        follow(token, piece, size);
    }

    void apply(llama_token_data_array * candidates) {
        if (waiting) {
            return;
        }
        // accept has returned the error already.
        if (text.empty(at)) {
            throw std::runtime_error("the grammar does not allow the text so far: reset the sampler");
        }
        at = text.one_token(at);
        std::vector<int64_t> where(pieces->sorted.size(), -1);
        for (size_t i = 0; i < candidates->size; i++) {
            llama_token_data & c = candidates->data[i];
            if (pieces->ends[c.id]) {
                if (!text.ends(at)) {
                    c.logit = -INFINITY;
                }
            } else if (text.takes_tokens(at) && pieces->size(c.id) > 0 && text.takes_token(at, c.id)) {
                continue;
            } else {
                where[c.id] = (int64_t) i;
            }
        }
        by_characters([&](llama_token t, bool possible) {
            if (where[t] >= 0 && !possible) {
                candidates->data[where[t]].logit = -INFINITY;
            }
        }, [&](llama_token t) { return where[t] >= 0; });
    }

    // by_characters calls tell for each wanted token with whether its text can follow. Tokens are
    // visited in sorted order, so that a common prefix of several texts is parsed once.
    template <typename Tell, typename Wanted>
    void by_characters(Tell tell, Wanted wanted) {
        struct step {
            machine::state at;
            size_t         size; // bytes of the text before this state
        };
        std::vector<step> path{{at, 0}}; // states after each character of before
        const char *      before = "";   // the token's text that was parsed last
        for (llama_token t : pieces->sorted) {
            if (!wanted(t)) {
                continue;
            }
            const char * piece = pieces->data(t);
            const size_t size  = pieces->size(t);
            size_t       same  = 0;
            while (same < size && same < path.back().size && piece[same] == before[same]) {
                same++;
            }
            while (path.back().size > same) {
                path.pop_back();
            }
            before         = piece;
            const char * p = piece + path.back().size;
            partial      missing = path.size() == 1 ? rest : partial{};
            while (p < piece + size && text.takes_chars(path.back().at)) {
                uint32_t chr;
                if (!next_char(p, piece + size, chr, missing)) {
                    p = piece + size;
                    break;
                }
                path.push_back({text.after(path.back().at, chr), (size_t) (p - piece)});
            }
            const machine::state s = path.back().at;
            bool possible = size > 0 && p == piece + size && !text.empty(s);
            if (possible && missing.missing != 0) {
                possible = text.takes_partial(s, missing);
            }
            tell(t, possible);
        }
    }
};

grammar * of(const llama_sampler * s) { return (grammar *) s->ctx; }

const char * name(const llama_sampler *) { return "grammar"; }
void accept(llama_sampler * s, llama_token token) { of(s)->accept(token); }
void apply(llama_sampler * s, llama_token_data_array * candidates) { of(s)->apply(candidates); }
void reset(llama_sampler * s) { of(s)->begin(); }
void release(llama_sampler * s) { delete of(s); }

llama_sampler * clone(const llama_sampler * s);

const llama_sampler_i iface = {name, accept, apply, reset, clone, release};

llama_sampler * make(std::unique_ptr<grammar> g) {
    llama_sampler * result = llama_sampler_init(&iface, g.get());
    g.release();
    return result;
}

llama_sampler * clone(const llama_sampler * s) { return make(std::unique_ptr<grammar>(new grammar(*of(s)))); }

} // namespace

llama_sampler * new_grammar(const llama_vocab * vocab, const infer_pieces * pieces, rules r, bool lazy,
        std::vector<std::string> words, std::vector<llama_token> tokens) {
    const auto all = std::make_shared<const rules>(std::move(r));
    std::unique_ptr<grammar> g(new grammar{vocab, pieces, all, lazy, std::move(words), std::move(tokens), machine(all)});
    g->begin();
    return make(std::move(g));
}

bool is_grammar(const llama_sampler * s) {
    return s->iface == &iface;
}

bool grammar_refuses(const llama_sampler * s, llama_token token) { return is_grammar(s) && of(s)->refuses(token); }

uint64_t grammar_work(const llama_sampler * s) { return is_grammar(s) ? of(s)->text.worked() : 0; }

} // namespace infer
