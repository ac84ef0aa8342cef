#include "ops/key_tokens.h"

#include "ops/argmax.h"

namespace talon::ops::cpu {

void key_tokens(CpuContext& /*context*/, const KeyTokensArgs& args) {
  const auto* keys = args.keys.as<uint64_t>();
  const int32_t* map = args.map.empty() ? nullptr : args.map.as<int32_t>();
  for (int64_t r = 0; r < args.keys.size(0); ++r) {
    const int32_t id = argmax_key_id(keys[r]);
    if (map != nullptr && id >= 0) {
      TALON_CHECK(id < args.map.size(0), "id {} of {} in the map", id, args.map.size(0));
      *args.tokens.row<int32_t>(r) = map[id];
    } else {
      *args.tokens.row<int32_t>(r) = id;
    }
  }
}

}  // namespace talon::ops::cpu
