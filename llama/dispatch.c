// The functions that Go calls: each calls that of the engine in use.

#include "engine_table.h"

static const infer_engine * in_use = &infer_builtin;

void infer_use(const infer_engine * engine) {
    in_use = engine;
}

#define INFER_SHIM(result, name, parameters, arguments) result name parameters { return in_use->name arguments; }
INFER_SHIM_FUNCTIONS(INFER_SHIM)

#define INFER_ENGINE(result, name, parameters, arguments) result infer_##name parameters { return in_use->name arguments; }
INFER_ENGINE_FUNCTIONS(INFER_ENGINE)
