#include "support/scripted_model.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/check.h"
#include "core/cpu_path.h"
#include "engine/executor.h"

namespace talon::test {
namespace {

constexpr float kScripted = 60.0F;
constexpr float kEnd = 30.0F;
constexpr int32_t kBatch = 8;

Plane token_plane(PlaneOwner owner) {
  return {.owner = owner,
          .layer = LayerIndex{0},
          .kind = PlaneKind::kKey,
          .num_heads = 1,
          .head_dim = 1,
          .dtype = DType::kI32};
}

int32_t* tokens_of(const KvStore& kv, PlaneOwner owner) {
  return kv.plane(owner, LayerIndex{0}, PlaneKind::kKey).as<int32_t>();
}

// The first `count` entries of a sequence with these pages.
std::vector<TokenId> read_tokens(const int32_t* plane, const int32_t* pages, int64_t count) {
  std::vector<TokenId> tokens;
  tokens.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t slot = int64_t{pages[i / kPageTokens]} * kPageTokens + i % kPageTokens;
    tokens.emplace_back(plane[slot]);
  }
  return tokens;
}

void write_tokens(const Batch& batch, ConstTensorView tokens, int32_t* plane) {
  for (int64_t t = 0; t < batch.num_rows; ++t) {
    if (batch.positions.as<int32_t>()[t] >= 0) {
      plane[batch.write_slots.as<int64_t>()[t]] = tokens.as<int32_t>()[t];
    }
  }
}

}  // namespace

ScriptedModel::ScriptedModel(std::shared_ptr<const Script> script)
    : script_(std::move(script)),
      limits_{.vocab_size = script_->vocabulary_size(),
              .hidden_size = 1,
              .num_layers = 1,
              .max_positions = 4096} {}

KvLayout ScriptedModel::kv_layout() const { return {.planes = {token_plane(PlaneOwner::kTarget)}}; }

void ScriptedModel::forward(Stream /*stream*/,
                            const Batch& batch,
                            KvStore& kv,
                            Arena& /*arena*/,
                            const ForwardOutput& out) const {
  int32_t* plane = tokens_of(kv, PlaneOwner::kTarget);
  write_tokens(batch, batch.token_ids, plane);
  for (int64_t r = 0; r < out.logits.size(0); ++r) {
    const int32_t row = batch.logit_rows.as<int32_t>()[r];
    const int32_t position = batch.positions.as<int32_t>()[row];
    float* logits = out.logits.row<float>(r);
    std::fill_n(logits, limits_.vocab_size, 0.0F);
    if (position < 0) {
      continue;
    }
    const int32_t sequence = batch.row_sequence.as<int32_t>()[row];
    const auto* pages = batch.page_table.row<int32_t>(sequence);
    logits[script_->end().value] = kEnd;
    logits[script_->next(read_tokens(plane, pages, position + 1)).value] = kScripted;
  }
  if (!out.taps.empty()) {
    std::fill_n(out.taps.as<float>(), out.taps.shape().num_elements(), 0.0F);
  }
}

int64_t ScriptedModel::scratch_bytes(int32_t /*num_rows*/, int32_t /*num_logit_rows*/) const {
  return Arena::kArenaAlignment;
}

ConstTensorView ScriptedModel::embedding() const {
  TALON_CHECK(false, "a script has no embedding");
  return {};
}

const Weight& ScriptedModel::head() const {
  static const Weight kNone;
  TALON_CHECK(false, "a script has no head");
  return kNone;
}

std::span<const int32_t> ScriptedDrafter::taps() const {
  static constexpr std::array<int32_t, 1> kTaps = {0};
  return kTaps;
}

KvLayout ScriptedDrafter::kv_layout() const {
  return {.planes = {token_plane(PlaneOwner::kDrafter)}};
}

// Entry p holds token p + 1, as every drafter's row p is made from it.
void ScriptedDrafter::extend(Stream /*stream*/,
                             const ExtendArgs& args,
                             KvStore& kv,
                             Arena& /*arena*/) const {
  write_tokens(args.batch, args.next_tokens, tokens_of(kv, PlaneOwner::kDrafter));
}

void ScriptedDrafter::draft(Stream /*stream*/,
                            const DraftArgs& args,
                            KvStore& kv,
                            Arena& /*arena*/) const {
  const int32_t* plane = tokens_of(kv, PlaneOwner::kDrafter);
  for (int64_t b = 0; b < args.drafts.size(0); ++b) {
    if (args.active.as<int32_t>()[b] == 0) {
      continue;
    }
    std::vector<TokenId> history =
        read_tokens(plane, args.page_table.row<int32_t>(b), args.kv_len.as<int32_t>()[b]);
    for (int64_t k = 0; k < args.drafts.size(1); ++k) {
      const int32_t right = script_->next(history).value;
      const bool is_wrong = history.size() % 3 == 0;
      const int32_t draft = is_wrong ? (right + 1) % script_->vocabulary_size() : right;
      args.drafts.row<int32_t>(b)[k] = draft;
      history.emplace_back(draft);
    }
  }
}

int64_t ScriptedDrafter::scratch_bytes(int32_t /*num_rows*/, int32_t /*num_sequences*/) const {
  return Arena::kArenaAlignment;
}

std::unique_ptr<Engine> build_scripted_engine(const text::Tokenizer& tokenizer,
                                              const std::shared_ptr<const Script>& script,
                                              int32_t num_drafts) {
  EngineConfig config;
  config.num_speculative_tokens = num_drafts;
  config.max_model_len = 2048;
  config.max_num_seqs = kBatch;
  TokenFacts facts{.allowed = {}, .end_token_ids = {script->end()}};
  for (int32_t id = 0; id < tokenizer.vocabulary_size(); ++id) {
    facts.allowed.push_back(tokenizer.has_token(TokenId{id}) ? 1 : 0);
  }
  RunnerParts parts;
  parts.executor = make_cpu_executor(1, detect_cpu_path());
  parts.model = std::make_unique<ScriptedModel>(script);
  if (num_drafts > 0) {
    parts.drafter = std::make_unique<ScriptedDrafter>(script);
  }
  return build_engine(config, facts, std::move(parts));
}

}  // namespace talon::test
