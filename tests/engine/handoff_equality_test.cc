// A prompt computed by one engine and answered by another gives what one engine gives: the bytes of
// all planes, the tokens, and how many drafts are accepted. Two real engines on the CPU, pages
// copied from store to store; prompts longer than the sparse window, which begins at 256 tokens
// here. Greedy and sampled, caches in the activations' type and in e4m3.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "support/engine_fixture.h"

namespace talon {
namespace {

using test::drain;
using test::Output;
using test::random_prompt;
using test::run_all;
using test::submit;

constexpr int32_t kAnswer = 40;

using PlaneFilter = std::function<bool(const Plane&)>;

bool every_plane(const Plane&) { return true; }

void copy_page(
    const Engine& from, PageId source, Engine& to, PageId target, const PlaneFilter& wanted) {
  for (const Plane& plane : from.runner().kv().layout().planes) {
    if (wanted(plane)) {
      const TensorView view = from.runner().kv().plane(plane.owner, plane.layer, plane.kind);
      const TensorView other = to.runner().kv().plane(plane.owner, plane.layer, plane.kind);
      std::memcpy(other.at(target.value).data(), view.at(source.value).data(),
                  static_cast<size_t>(plane.bytes_per_token() * kPageTokens));
    }
  }
}

// Of all planes at positions [0, count) of these pages.
std::vector<std::byte> bytes_of(const Engine& engine,
                                const std::vector<PageRef>& pages,
                                int64_t count) {
  std::vector<std::byte> bytes;
  const KvStore& kv = engine.runner().kv();
  for (const Plane& plane : kv.layout().planes) {
    const TensorView view = kv.plane(plane.owner, plane.layer, plane.kind);
    for (int64_t position = 0; position < count; ++position) {
      const PageId page = pages[static_cast<size_t>(position / kPageTokens)].page;
      const TensorView row = view.at(page.value).at(position % kPageTokens);
      bytes.insert(bytes.end(), row.data(), row.data() + plane.bytes_per_token());
    }
  }
  return bytes;
}

std::vector<int32_t> accepted(const Output& output) {
  std::vector<int32_t> counts;
  counts.reserve(output.rounds.size());
  for (const KeptRound& round : output.rounds) {
    counts.push_back(round.round.accepted);
  }
  return counts;
}

class HandoffEqualityTest : public test::EngineFixture,
                            public testing::WithParamInterface<std::tuple<bool, bool>> {
 protected:
  static EngineConfig engine_config(int32_t drafts) {
    EngineConfig settings = config(drafts);
    if (std::get<1>(GetParam())) {
      settings.kv_cache_dtype = CacheDtype::kFp8;
      settings.index_cache_dtype = CacheDtype::kFp8;
    }
    return settings;
  }

  static Request request_of(int64_t length, HandoffRole role = HandoffRole::kNone) {
    Request request{.prompt = random_prompt(length, 31), .max_tokens = kAnswer};
    if (std::get<0>(GetParam())) {
      request.sampling.temperature = 0.9F;
      request.sampling.top_p = 0.95F;
      request.sampling.repetition_penalty = 1.1F;
      request.sampling.seed = 1234;
    }
    request.handoff = role;
    return request;
  }

  static Output alone(int32_t drafts, const Request& request) {
    return run_all(*build(engine_config(drafts)), {request}).front();
  }

  // Computes a prompt and holds it.
  static SeqId prefill(Engine& engine, int64_t length) {
    const SeqId id = submit(engine, request_of(length, HandoffRole::kPrefill)).front().id;
    while (engine.step()) {
    }
    EXPECT_TRUE(engine.scheduler().offered_kv(id)->is_complete);
    return id;
  }

  // Lets a sequence await its prompt. Its wanted pages.
  static std::vector<WantedPage> await(Engine& engine, SeqId id) {
    EXPECT_FALSE(engine.step()) << "there is nothing to compute";
    std::vector<WantedPage> wanted = engine.scheduler().wanted_kv(id);
    EXPECT_FALSE(wanted.empty());
    return wanted;
  }

  static void transfer(const Engine& from,
                       SeqId source,
                       Engine& to,
                       SeqId sink,
                       const PlaneFilter& wanted_planes = every_plane) {
    const OfferedKv offered = *from.scheduler().offered_kv(source);
    for (const WantedPage& wanted : await(to, sink)) {
      const PageRef page = offered.pages[static_cast<size_t>(wanted.ordinal)];
      copy_page(from, page.page, to, wanted.ref.page, wanted_planes);
    }
    EXPECT_TRUE(to.kv_arrived(sink));
  }

  // The answer of an engine to a prompt that another one computed.
  static Output handed_over(int32_t drafts,
                            const Request& request,
                            const PlaneFilter& planes = every_plane) {
    // The other engine may draft as it likes, as long as it has the same head.
    const auto first = build(engine_config(1));
    const auto second = build(engine_config(drafts));
    const SeqId source = prefill(*first, std::ssize(request.prompt));
    Request decode = request;
    decode.handoff = HandoffRole::kDecode;
    const Submission sink = submit(*second, decode).front();
    transfer(*first, source, *second, sink.id, planes);
    while (second->step()) {
    }
    second->scheduler().check_integrity();
    return drain(sink);
  }
};

TEST_P(HandoffEqualityTest, TokensAndAcceptanceAreThoseOfOneEngine) {
  for (const int64_t length : {2, 128, 129, 130, 300, 700}) {
    for (const int32_t drafts : {0, 3}) {
      const Request request = request_of(length);
      const Output expected = alone(drafts, request);

      const Output output = handed_over(drafts, request);

      EXPECT_EQ(output.tokens, expected.tokens) << length << " tokens, K = " << drafts;
      EXPECT_EQ(accepted(output), accepted(expected)) << length << " tokens, K = " << drafts;
    }
  }
}

TEST_P(HandoffEqualityTest, WithoutADrafterTooItIsTheSame) {
  EngineConfig plain = engine_config(0);
  plain.draft_model_dir.clear();
  const auto first = build(plain);
  const auto second = build(plain);
  const SeqId source = prefill(*first, 700);
  const Submission sink = submit(*second, request_of(700, HandoffRole::kDecode)).front();

  transfer(*first, source, *second, sink.id);
  while (second->step()) {
  }

  EXPECT_EQ(drain(sink).tokens, alone(3, request_of(700)).tokens);
}

TEST_P(HandoffEqualityTest, PagesAreThoseOfALocalPrefill) {
  for (const int64_t length : {129, 257, 700}) {
    const auto local = build(engine_config(3));
    Request one = request_of(length);
    one.max_tokens = 1;
    (void)run_all(*local, {one});
    const auto engine = build(engine_config(3));

    const SeqId id = prefill(*engine, length);

    const OfferedKv offered = *engine->scheduler().offered_kv(id);
    EXPECT_EQ(offered.num_positions, length - 1);
    EXPECT_TRUE(bytes_of(*engine, offered.pages, length - 1) == test::kv_bytes(*local, length - 1))
        << length << " tokens";
  }
}

// Pages leave as soon as they are offered, while later chunks are computed. Chunks end in the
// middle of pages, at their ends and one before.
TEST_P(HandoffEqualityTest, PagesMayLeaveBeforeThePromptIsComputed) {
  for (const int32_t rows : {100, 127, 128}) {
    EngineConfig chunked = engine_config(3);
    chunked.max_num_batched_tokens = rows;
    const auto first = build(chunked);
    const auto second = build(engine_config(3));
    const SeqId source = submit(*first, request_of(700, HandoffRole::kPrefill)).front().id;
    const Submission sink = submit(*second, request_of(700, HandoffRole::kDecode)).front();
    const std::vector<WantedPage> wanted = await(*second, sink.id);
    size_t num_there = 0;
    int num_early = 0;

    bool goes_on = true;
    while (goes_on) {
      goes_on = first->step();
      const OfferedKv offered = *first->scheduler().offered_kv(source);
      for (; num_there < offered.pages.size(); ++num_there) {
        copy_page(*first, offered.pages[num_there].page, *second, wanted[num_there].ref.page,
                  every_plane);
        num_early += offered.is_complete ? 0 : 1;
      }
    }
    ASSERT_EQ(num_there, wanted.size());
    EXPECT_TRUE(second->kv_arrived(sink.id));
    while (second->step()) {
    }

    EXPECT_GE(num_early, 4) << rows << " rows a step";
    EXPECT_EQ(drain(sink).tokens, alone(3, request_of(700)).tokens) << rows << " rows a step";
  }
}

// The last page that matches holds a drafter's entry of another continuation: it comes anew.
TEST_P(HandoffEqualityTest, CachedPagesNeedNotCome) {
  const auto first = build(engine_config(3));
  const auto second = build(engine_config(3));
  Request other = request_of(700);
  other.prompt.resize(384);
  other.prompt.emplace_back((other.prompt[0].value + 1) % test::kVocab);
  (void)run_all(*second, {other});
  const SeqId source = prefill(*first, 700);
  const Submission sink = submit(*second, request_of(700, HandoffRole::kDecode)).front();

  transfer(*first, source, *second, sink.id);
  while (second->step()) {
  }

  const Output output = drain(sink);
  const Output expected = alone(3, request_of(700));
  EXPECT_EQ(output.cached_tokens, 256);
  EXPECT_EQ(output.tokens, expected.tokens);
  EXPECT_EQ(accepted(output), accepted(expected));
}

TEST_P(HandoffEqualityTest, ChoicesShareAPromptThatCame) {
  Request request = request_of(300);
  request.num_choices = 3;
  const auto first = build(engine_config(3));
  const auto second = build(engine_config(3));
  const SeqId source = prefill(*first, 300);
  Request decode = request;
  decode.handoff = HandoffRole::kDecode;
  const std::vector<Submission> choices = submit(*second, decode);

  transfer(*first, source, *second, choices.front().id);
  while (second->step()) {
  }

  const std::vector<Output> expected = run_all(*build(engine_config(3)), {request});
  for (size_t j = 0; j < choices.size(); ++j) {
    EXPECT_EQ(drain(choices[j]).tokens, expected[j].tokens) << "choice " << j;
  }
}

// What a peer writes into pages in quarantine is nobody's.
TEST_P(HandoffEqualityTest, AFailureChangesNoToken) {
  const auto first = build(engine_config(3));
  const auto second = build(engine_config(3));
  const SeqId source = prefill(*first, 300);
  const Submission sink = submit(*second, request_of(700, HandoffRole::kDecode)).front();
  const std::vector<WantedPage> wanted = await(*second, sink.id);
  const PageId foreign = first->scheduler().offered_kv(source)->pages.front().page;

  EXPECT_TRUE(second->kv_failed(sink.id, OnKvFailure::kRecompute));
  bool goes_on = true;
  while (goes_on) {
    goes_on = second->step();
    for (const WantedPage& page : wanted) {
      copy_page(*first, foreign, *second, page.ref.page, every_plane);
    }
  }

  EXPECT_EQ(drain(sink).tokens, alone(3, request_of(700)).tokens);
  EXPECT_TRUE(second->kv_quiesced(sink.id));
  EXPECT_EQ(run_all(*second, {request_of(700)}).front().tokens, alone(3, request_of(700)).tokens)
      << "none of them is in the prefix cache";
}

// The equalities above see what is missing: index keys beyond the sparse window change the text,
// the drafter's planes change what is accepted.
TEST_P(HandoffEqualityTest, AMissingPlaneIsNoticed) {
  const Request request = request_of(700);
  const Output expected = alone(3, request);

  const Output without_index = handed_over(
      3, request, [](const Plane& plane) { return plane.kind != PlaneKind::kIndexKey; });
  const Output without_drafter = handed_over(
      3, request, [](const Plane& plane) { return plane.owner != PlaneOwner::kDrafter; });

  EXPECT_NE(without_index.tokens, expected.tokens);
  EXPECT_EQ(without_drafter.tokens, expected.tokens);
  EXPECT_NE(accepted(without_drafter), accepted(expected));
}

std::string name_of(const testing::TestParamInfo<std::tuple<bool, bool>>& kind) {
  return std::string(std::get<0>(kind.param) ? "Sampled" : "Greedy") +
         (std::get<1>(kind.param) ? "Fp8" : "Bf16");
}

INSTANTIATE_TEST_SUITE_P(Kinds,
                         HandoffEqualityTest,
                         testing::Combine(testing::Bool(), testing::Bool()),
                         name_of);

}  // namespace
}  // namespace talon
