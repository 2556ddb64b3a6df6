// Internal to the C++ files of this package: which texts a grammar allows.

#ifndef INFER_GRAMMAR_MACHINE_H
#define INFER_GRAMMAR_MACHINE_H

#include "guard.h"
#include "shim_sampler.h"

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace infer {

// The rules of a grammar, side by side. Each alternative of a rule ends with
// INFER_GRAMMAR_END; the rule's last one ends it.
struct rules {
    std::vector<infer_grammar_element> elements;
    std::vector<uint32_t>              starts; // of each rule, and the end of the last
    uint32_t                           root;
};

// A character of which some bytes are missing: its bits so far; -1: no UTF-8.
struct partial {
    uint32_t value   = 0;
    int      missing = 0;
};

// next_char decodes the character at p, before end. Without all of its bytes, or with a
// first byte that is none, it returns false and says so in rest.
bool next_char(const char *& p, const char * end, uint32_t & chr, partial & rest);

// machine follows the texts of a grammar. A text can be read in several ways at once, each
// of which is a stack of places in rules where it goes on. Stacks are lists that share
// their ends, each of which there is once, so that those which are equal are the same
// number. All stacks of a text make up a state, of which there is one for each set of
// stacks; where characters lead from one to another is kept.
//
// Rules that repeat what may be empty come to the same stack again, which is then left
// alone. What grows without bound, and what would take a lot of work for one token, is
// thrown as too_much.
class machine {
public:
    using state = uint32_t;

    explicit machine(std::shared_ptr<const rules> r);

    state begin();
    state empty_state() { return 0; }
    // The state behind a character, which token places do not take.
    state after(state s, uint32_t chr);
    // The state behind a token by its number, and the characters of its text.
    state after_token(state s, llama_token token, const char * text, size_t size, partial & rest);

    bool ends(state s) const { return states_[s].end; }
    bool empty(state s) const { return !states_[s].end && states_[s].chars.empty() && states_[s].tokens.empty(); }
    bool takes_chars(state s) const { return !states_[s].chars.empty(); }
    bool takes_tokens(state s) const { return !states_[s].tokens.empty(); }
    bool takes_token(state s, llama_token token) const;
    // Tells whether the rest of a character could follow.
    bool takes_part(state s, partial rest);

    // one_token begins the count of the work for a token, and forgets what is not needed
    // for what follows s, where that has become much.
    state    one_token(state s);
    void     work(uint64_t n = 1);
    uint64_t worked() const { return worked_; }

private:
    struct node { // of a stack: its top
        int32_t  below;
        uint32_t place;
        uint32_t height;
    };
    struct set { // sorted
        std::vector<int32_t> chars, tokens;
        bool                 end = false;
        bool operator==(const set & o) const { return end == o.end && chars == o.chars && tokens == o.tokens; }
    };
    struct hash {
        size_t operator()(const set & s) const;
    };

    int32_t push(int32_t below, uint32_t place);
    int32_t behind(int32_t stack, uint32_t place); // the stack whose top goes on at place
    void    add(int32_t stack);                    // to what is being collected
    state   collected();
    state   copy(const machine & from, state s);
    bool    matches(uint32_t place, uint32_t chr, uint32_t & next);
    bool    ended(uint32_t place) const { return rules_->elements[place].kind == INFER_GRAMMAR_END; }

    std::shared_ptr<const rules> rules_;
    uint64_t                     worked_ = 0;

    std::vector<node>                     nodes_;
    std::unordered_map<uint64_t, int32_t> numbers_; // of nodes
    std::vector<set>                      states_;  // 0: without a stack
    std::unordered_map<set, state, hash>  known_;
    std::unordered_map<uint64_t, state>   moves_;
    size_t                                stored_ = 0; // stacks in states

    std::vector<uint32_t> seen_; // by node, when it was collected last
    uint32_t              round_ = 0;
    std::vector<int32_t>  todo_;
    set                   found_;
};

} // namespace infer

#endif
