// Parses text by a grammar, character by character. Internal to the C++ files of this package.

#ifndef INFER_GRAMMAR_MACHINE_H
#define INFER_GRAMMAR_MACHINE_H

#include "guard.h"
#include "shim_sampler.h"

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace infer {

// The rules of a grammar. Each alternative of a rule ends with INFER_GRAMMAR_END.
struct rules {
    std::vector<infer_grammar_element> elements; // of all rules
    std::vector<uint32_t>              starts;   // first element of each rule, then the end of the last
    uint32_t                           root;     // number of the rule that matches the whole text
    std::string                        names;    // of the rules, a line each, for errors
};

// An incomplete UTF-8 character.
struct partial {
    uint32_t value   = 0; // its bits so far
    int      missing = 0; // number of bytes that are missing; -1: invalid UTF-8
};

// next_char decodes the character at p and moves p behind it. It returns false if the text up to
// end is incomplete or no UTF-8, and describes that in rest. rest continues an earlier call.
bool next_char(const char *& p, const char * end, uint32_t & chr, partial & rest);

// machine is a pushdown automaton over characters and tokens. It follows all parses of a text at
// once. A parse is a stack of positions in the rules, at which the parse and the rules that called
// its rule continue. Stacks are linked lists with shared tails and are stored once each: equal
// stacks have the same number. A state is the set of stacks after a text; states are stored once
// each, too, and transitions by a character are cached.
//
// A repetition of something that can be empty leads to a stack that has been visited already, and
// is skipped. If stacks, states or the work for one token exceed their bounds, too_much is thrown.
class machine {
public:
    using state = uint32_t;

    explicit machine(std::shared_ptr<const rules> r);

    state begin();
    state empty_state() { return 0; }
    // after returns the state after a character. Positions that expect a token do not match it.
    state after(state s, uint32_t chr);
    // after_token returns the state after a token, matched both as a token and by its text.
    state after_token(state s, llama_token token, const char * text, size_t size, partial & rest);

    bool ends(state s) const { return states_[s].end; }
    bool empty(state s) const { return !states_[s].end && states_[s].chars.empty() && states_[s].tokens.empty(); }
    bool takes_chars(state s) const { return !states_[s].chars.empty(); }
    bool takes_tokens(state s) const { return !states_[s].tokens.empty(); }
    bool takes_token(state s, llama_token token) const;
    // takes_partial returns whether any completion of an incomplete character can follow.
    bool takes_partial(state s, partial rest);

    // one_token starts the count of steps for a token. If the stored stacks, states or transitions
    // exceed their bounds, it keeps only s. It returns s, which may have another number.
    state    one_token(state s);
    void     work(uint64_t n = 1);
    uint64_t worked() const { return worked_; }

private:
    struct node { // top of a stack
        int32_t  below; // the stack without its top; -1: empty
        uint32_t pos;   // in the rules' elements
        uint32_t height;
    };
    struct set { // of stacks, sorted by number
        std::vector<int32_t> chars, tokens; // whose tops match characters, and tokens
        bool                 end = false;   // the text may end
        bool operator==(const set & o) const { return end == o.end && chars == o.chars && tokens == o.tokens; }
    };
    struct hash {
        size_t operator()(const set & s) const;
    };

    int32_t push(int32_t below, uint32_t pos);
    int32_t behind(int32_t stack, uint32_t pos); // the stack with its top moved to pos
    void    add(int32_t stack);
    state   collected();
    state   copy(const machine & from, state s);
    // in_rule names the rule of a position; blamed the one with most of the parses that are being
    // collected, or of the last position that was visited.
    std::string in_rule(uint32_t pos) const;
    std::string blamed() const;
    bool    matches(uint32_t pos, uint32_t chr, uint32_t & next);
    bool    ended(uint32_t pos) const { return rules_->elements[pos].kind == INFER_GRAMMAR_END; }

    std::shared_ptr<const rules> rules_;
    uint64_t                     worked_ = 0;

    std::vector<node>                     nodes_;
    std::unordered_map<uint64_t, int32_t> numbers_;    // nodes by below and pos
    std::vector<set>                      states_;     // state 0 has no stack
    std::unordered_map<set, state, hash>  known_;      // numbers of states
    std::unordered_map<uint64_t, state>   moves_;      // transitions by state and character
    size_t                                stored_ = 0; // stacks in states_

    std::vector<uint32_t> seen_;      // by node: the round in which add visited it last
    uint32_t              round_ = 0; // number of the set that is being collected
    std::vector<int32_t>  todo_;
    uint32_t              last_  = 0; // position that was visited last
    set                   found_;     // the set that is being collected
};

} // namespace infer

#endif
