// Parses text by a grammar.

#include "grammar_machine.h"

#include <algorithm>

namespace infer {

namespace {

constexpr size_t   max_stacks = 2048;     // parses per state
constexpr uint32_t max_height = 4096;     // positions per stack: nesting of a text
constexpr uint64_t max_work   = 1u << 25; // steps for one token, some nanoseconds each
// Bounds on what is stored between tokens, about 10 MiB. During a token, twice as much is allowed.
constexpr size_t max_nodes  = 1u << 18;
constexpr size_t max_moves  = 1u << 18;
constexpr size_t max_stored = 1u << 21; // stacks in states

uint64_t pair(uint32_t a, uint32_t b) { return (uint64_t) a << 32 | b; }

// is_utf8 reports whether a byte may follow those that are in rest: there is one encoding of each
// character, none of surrogates, and none behind U+10FFFF.
bool is_utf8(partial rest, uint8_t byte) {
    const uint32_t bits = byte & 0x3F;
    if ((byte & 0xC0) != 0x80) {
        return false;
    }
    switch (rest.missing) {
        case 2: return (rest.value != 0 || bits >= 0x20) && (rest.value != 0xD || bits < 0x20);
        case 3: return (rest.value != 0 || bits >= 0x10) && (rest.value != 4 || bits < 0x10);
        default: return true;
    }
}

} // namespace

bool next_char(const char *& p, const char * end, uint32_t & chr, partial & rest) {
    if (rest.missing <= 0) {
        static const int more[] = {0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, 1, 1, 2, 3};
        const uint8_t    first  = (uint8_t) *p;
        rest.missing            = more[first >> 4];
        if (rest.missing < 0 || first == 0xC0 || first == 0xC1 || first > 0xF4) {
            rest = {0, -1};
            return false;
        }
        rest.value = first & ((1u << (7 - rest.missing)) - 1);
        p++;
    }
    for (; rest.missing > 0 && p < end; p++, rest.missing--) {
        if (!is_utf8(rest, (uint8_t) *p)) {
            rest = {0, -1};
            return false;
        }
        rest.value = rest.value << 6 | ((uint8_t) *p & 0x3F);
    }
    chr = rest.value;
    return rest.missing == 0;
}

size_t machine::hash::operator()(const set & s) const {
    uint64_t h = 1469598103934665603u + s.end;
    for (const auto * list : {&s.chars, &s.tokens}) {
        for (int32_t n : *list) {
            h = (h ^ (uint64_t) (uint32_t) n) * 1099511628211u;
        }
        h = (h ^ 0xFFFFFFFFFFu) * 1099511628211u;
    }
    return (size_t) (h ^ h >> 29);
}

machine::machine(std::shared_ptr<const rules> r) : rules_(std::move(r)) {
    states_.emplace_back();
    known_.emplace(states_[0], 0);
}

std::string machine::in_rule(uint32_t pos) const {
    const size_t rule = std::upper_bound(rules_->starts.begin(), rules_->starts.end(), pos) - rules_->starts.begin() - 1;
    size_t       from = 0;
    for (size_t i = 0; i < rule; i++) {
        from = rules_->names.find('\n', from) + 1;
    }
    return ", in rule \"" + rules_->names.substr(from, rules_->names.find('\n', from) - from) + "\"";
}

std::string machine::blamed() const {
    std::unordered_map<std::string, size_t> counts;
    std::string                             worst = in_rule(last_);
    for (size_t i = 0; i < found_.chars.size() && i < 64; i++) { // some are enough
        const std::string rule = in_rule(nodes_[found_.chars[i]].pos);
        if (++counts[rule] > counts[worst]) {
            worst = rule;
        }
    }
    return worst;
}

void machine::work(uint64_t n) {
    if ((worked_ += n) > max_work) {
        throw too_much("the grammar needs more than " + std::to_string(max_work) + " steps for one token" + blamed() + ": simplify it");
    }
}

int32_t machine::push(int32_t below, uint32_t pos) {
    const uint64_t key   = pair((uint32_t) (below + 1), pos);
    const auto     known = numbers_.find(key);
    if (known != numbers_.end()) {
        return known->second;
    }
    const uint32_t height = below < 0 ? 1 : nodes_[below].height + 1;
    if (height > max_height) {
        throw too_much("the text is nested deeper than " + std::to_string(max_height) + " levels in the grammar" + in_rule(pos) + ": bound its recursion");
    }
    if (nodes_.size() >= 2 * max_nodes) {
        throw too_much("the grammar has more than " + std::to_string(2 * max_nodes) + " stacks for one token" + in_rule(pos) + ": simplify it");
    }
    // numbers_ is changed last: if an allocation fails, it has no number without a node.
    seen_.push_back(0);
    nodes_.push_back({below, pos, height});
    const int32_t n = (int32_t) nodes_.size() - 1;
    numbers_.emplace(key, n);
    return n;
}

int32_t machine::behind(int32_t stack, uint32_t pos) {
    const int32_t below = nodes_[stack].below;
    return ended(pos) ? below : push(below, pos);
}

// add expands rule references at the top of a stack. It adds the resulting stacks, whose tops match
// characters or tokens, to found_.
void machine::add(int32_t stack) {
    const auto & e = rules_->elements;
    todo_.push_back(stack);
    while (!todo_.empty()) {
        work();
        const int32_t s = todo_.back();
        todo_.pop_back();
        if (s < 0) {
            found_.end = true;
            continue;
        }
        if (seen_[s] == round_) {
            continue;
        }
        seen_[s] = round_;
        const uint32_t pos = nodes_[s].pos;
        last_ = pos;
        switch (e[pos].kind) {
            case INFER_GRAMMAR_RULE: {
                const int32_t rest = behind(s, pos + 1);
                const uint32_t end = rules_->starts[e[pos].value + 1];
                for (uint32_t at = rules_->starts[e[pos].value]; at < end; at++) {
                    todo_.push_back(ended(at) ? rest : push(rest, at));
                    while (!ended(at)) {
                        work();
                        at++;
                    }
                }
                break;
            }
            case INFER_GRAMMAR_TOKEN:
            case INFER_GRAMMAR_TOKEN_NOT:
                found_.tokens.push_back(s);
                break;
            default:
                found_.chars.push_back(s);
        }
        if (found_.chars.size() + found_.tokens.size() > max_stacks) {
            throw too_much("the grammar allows more than " + std::to_string(max_stacks) + " parses of the text" + blamed() + ": make it less ambiguous");
        }
    }
}

// collected returns the state of the set found_, and stores it if it is new.
machine::state machine::collected() {
    std::sort(found_.chars.begin(), found_.chars.end());
    std::sort(found_.tokens.begin(), found_.tokens.end());
    const auto known = known_.find(found_);
    if (known != known_.end()) {
        return known->second;
    }
    stored_ += found_.chars.size() + found_.tokens.size() + 1;
    if (stored_ > 2 * max_stored) {
        throw too_much("the grammar has more than " + std::to_string(2 * max_stored) + " stacks in states for one token" + blamed() + ": simplify it");
    }
    states_.push_back(found_);
    const state n = (state) states_.size() - 1;
    known_.emplace(found_, n);
    return n;
}

machine::state machine::begin() {
    round_++;
    found_ = {};
    todo_.clear();
    for (uint32_t at = rules_->starts[rules_->root]; at < rules_->starts[rules_->root + 1]; at++) {
        add(ended(at) ? -1 : push(-1, at));
        while (!ended(at)) {
            at++;
        }
    }
    return collected();
}

bool machine::matches(uint32_t pos, uint32_t chr, uint32_t & next) {
    last_            = pos;
    const auto & e   = rules_->elements;
    const bool   set = e[pos].kind != INFER_GRAMMAR_NOT;
    bool         in  = false;
    do {
        work();
        if (e[pos].kind == INFER_GRAMMAR_ANY) {
            in = true;
            pos++;
        } else if (e[pos + 1].kind == INFER_GRAMMAR_UPPER) {
            in |= e[pos].value <= chr && chr <= e[pos + 1].value;
            pos += 2;
        } else {
            in |= e[pos].value == chr;
            pos++;
        }
    } while (e[pos].kind == INFER_GRAMMAR_OR);
    next = pos;
    return in == set;
}

machine::state machine::after(state s, uint32_t chr) {
    work();
    const auto known = moves_.find(pair(s, chr));
    if (known != moves_.end()) {
        return known->second;
    }
    round_++;
    found_ = {};
    todo_.clear();
    for (size_t i = 0; i < states_[s].chars.size(); i++) {
        const int32_t stack = states_[s].chars[i];
        uint32_t      next;
        if (matches(nodes_[stack].pos, chr, next)) {
            add(behind(stack, next));
        }
    }
    const state to = collected();
    moves_.emplace(pair(s, chr), to);
    return to;
}

bool machine::takes_token(state s, llama_token token) const {
    return std::any_of(states_[s].tokens.begin(), states_[s].tokens.end(), [&](int32_t stack) {
        const auto & e = rules_->elements[nodes_[stack].pos];
        return (e.value == (uint32_t) token) == (e.kind == INFER_GRAMMAR_TOKEN);
    });
}

machine::state machine::after_token(state s, llama_token token, const char * text, size_t size, partial & rest) {
    // By its characters. Stacks that expect a token, or the end of the text, do not match them.
    round_++;
    found_       = {};
    found_.chars = states_[s].chars;
    state by     = collected();
    for (const char * p = text, * end = text + size; p < end;) {
        uint32_t chr;
        if (!next_char(p, end, chr, rest)) {
            break;
        }
        by = after(by, chr);
    }
    if (rest.missing < 0) {
        by = empty_state();
    }
    // As a token.
    round_++;
    found_ = {};
    todo_.clear();
    for (size_t i = 0; i < states_[s].tokens.size(); i++) {
        const int32_t stack = states_[s].tokens[i];
        const auto &  e     = rules_->elements[nodes_[stack].pos];
        if ((e.value == (uint32_t) token) == (e.kind == INFER_GRAMMAR_TOKEN)) {
            add(behind(stack, nodes_[stack].pos + 1));
            rest = {};
        }
    }
    const set chars = states_[by];
    for (int32_t stack : chars.chars) {
        add(stack);
    }
    for (int32_t stack : chars.tokens) {
        add(stack);
    }
    if (chars.end) {
        add(-1);
    }
    return collected();
}

bool machine::takes_partial(state s, partial rest) {
    if (rest.missing <= 0 || (rest.missing == 1 && rest.value < 2)) { // an overlong encoding
        return false;
    }
    uint32_t       low  = rest.value << (rest.missing * 6);
    const uint32_t high = low | ((1u << (rest.missing * 6)) - 1);
    if (low == 0) {
        low = rest.missing == 2 ? 1u << 11 : rest.missing == 3 ? 1u << 16 : 0;
    }
    const auto & e = rules_->elements;
    for (int32_t stack : states_[s].chars) {
        uint32_t   pos  = nodes_[stack].pos;
        const bool set  = e[pos].kind != INFER_GRAMMAR_NOT;
        bool       some = false, all = false; // whether the set has some, or all, of low to high
        do {
            work();
            if (e[pos].kind == INFER_GRAMMAR_ANY) {
                some = all = true;
                pos++;
            } else if (e[pos + 1].kind == INFER_GRAMMAR_UPPER) {
                some |= e[pos].value <= high && low <= e[pos + 1].value;
                all |= e[pos].value <= low && high <= e[pos + 1].value;
                pos += 2;
            } else {
                some |= low <= e[pos].value && e[pos].value <= high;
                pos++;
            }
        } while (e[pos].kind == INFER_GRAMMAR_OR);
        if (set ? some : !all) {
            return true;
        }
    }
    return false;
}

// copy stores a state of another machine for the same grammar.
machine::state machine::copy(const machine & from, state s) {
    std::unordered_map<int32_t, int32_t> to;
    to[-1]           = -1;
    const auto moved = [&](int32_t n) {
        std::vector<int32_t> path;
        for (; to.find(n) == to.end(); n = from.nodes_[n].below) {
            path.push_back(n);
        }
        int32_t below = to[n];
        for (size_t i = path.size(); i-- > 0;) {
            below = to[path[i]] = push(below, from.nodes_[path[i]].pos);
        }
        return below;
    };
    round_++;
    found_ = {};
    for (int32_t n : from.states_[s].chars) {
        found_.chars.push_back(moved(n));
    }
    for (int32_t n : from.states_[s].tokens) {
        found_.tokens.push_back(moved(n));
    }
    found_.end = from.states_[s].end;
    return collected();
}

machine::state machine::one_token(state s) {
    worked_ = 0;
    if (nodes_.size() < max_nodes && stored_ < max_stored && moves_.size() < max_moves && round_ < 1u << 31) {
        return s;
    }
    machine fresh(rules_);
    s     = fresh.copy(*this, s);
    *this = std::move(fresh);
    return s;
}

} // namespace infer
