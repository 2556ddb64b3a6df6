// This package's C++ for one engine. An engine_*.cpp file includes it in a namespace of its own, after
// the engine's declarations and what differs between engines (builtin.hpp, v05.hpp).

#include "scope.hpp"
#include "blocks.hpp"
#include "buffer_types.hpp"
#include "weights.hpp"
#include "devices.hpp"
#include "rebind.hpp"
#include "measure.hpp"
#include "layers.hpp"
#include "experts.hpp"
#include "context.hpp"
#include "sampler_grammar.hpp"
#include "sampler.hpp"
#include "lora.hpp"
#include "quantize.hpp"
#include "text.hpp"
#include "start.hpp"
