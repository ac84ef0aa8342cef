// Encoders of the quantised weight layouts, for making test checkpoints: they choose scales and
// round to the nearest code (ties to the even code), as tools/make_quantised_checkpoint.py does.
// Decoding is the oracle's (oracle/dequant_oracle.h). Input is finite. Stateless.
#pragma once

#include <cstdint>
#include <vector>

#include "support/safetensors_writer.h"

namespace talon::test {

enum class QuantFormat { kBf16, kMxfp8, kMxfp4, kFp8Channel, kFp8Block };

uint8_t to_e4m3(double value);  // saturates at 448
uint8_t to_e2m1(double value);  // saturates at 6

// The weight and scale tensors that replace a BF16 matrix in the given layout, under the layout's
// names; `weight` is the BF16 tensor X.weight [out, in]. kBf16 returns it unchanged. MX layouts
// need in % 32 == 0.
std::vector<StoredTensor> quantise(const StoredTensor& weight, QuantFormat format);

// Whether the layout quantises this tensor of a target checkpoint (spec 4.2 to 4.4): everything
// linear but embedding, head and router; under MXFP4 routed and shared experts only.
bool is_quantised(const std::string& name, QuantFormat format);

// The JSON text of quantization_config for a model with these flags per layer; empty for kBf16.
std::string quantization_config(QuantFormat format, const std::vector<int>& moe_layers);

}  // namespace talon::test
