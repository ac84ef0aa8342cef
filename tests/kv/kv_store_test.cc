// Planes of a store: where they lie, and that a page copy takes all of them.
#include "kv/kv_store.h"

#include <gtest/gtest.h>

#include "core/cpu_context.h"

namespace talon {
namespace {

KvLayout two_owner_layout() {
  const Plane key{PlaneOwner::kTarget, LayerIndex{0}, PlaneKind::kKey, 2, 4, DType::kF32};
  Plane index = key;
  index.kind = PlaneKind::kIndexKey;
  index.num_heads = 1;
  Plane draft = key;
  draft.owner = PlaneOwner::kDrafter;
  draft.dtype = DType::kBf16;
  return {.planes = {key, index, draft}};
}

TEST(KvStoreTest, PlanesDoNotOverlap) {
  KvStore store(two_owner_layout(), 3);
  const TensorView key = store.plane(PlaneOwner::kTarget, LayerIndex{0}, PlaneKind::kKey);
  const TensorView index = store.plane(PlaneOwner::kTarget, LayerIndex{0}, PlaneKind::kIndexKey);
  const TensorView draft = store.plane(PlaneOwner::kDrafter, LayerIndex{0}, PlaneKind::kKey);

  EXPECT_EQ(to_string(key.shape()), "[3, 128, 2, 4]");
  EXPECT_EQ(to_string(index.shape()), "[3, 128, 1, 4]");
  EXPECT_GE(index.data() - key.data(), 3 * 128 * 2 * 4 * 4);
  EXPECT_GE(draft.data() - index.data(), 3 * 128 * 4 * 4);
  EXPECT_EQ(store.layout().bytes_per_token(), 2 * 4 * 4 + 4 * 4 + 2 * 4 * 2);
}

TEST(KvStoreTest, CopyPageTakesEveryPlane) {
  KvStore store(two_owner_layout(), 3);
  const TensorView key = store.plane(PlaneOwner::kTarget, LayerIndex{0}, PlaneKind::kKey);
  const TensorView draft = store.plane(PlaneOwner::kDrafter, LayerIndex{0}, PlaneKind::kKey);
  key.at(1).as<float>()[5] = 3.0F;
  draft.at(1).as<bf16>()[7] = to_bf16(2.0F);

  CpuContext context(1);
  store.copy_page(Stream(context), PageId{1}, PageId{2});

  EXPECT_EQ(key.at(2).as<float>()[5], 3.0F);
  EXPECT_EQ(to_float(draft.at(2).as<bf16>()[7]), 2.0F);
  EXPECT_EQ(key.at(0).as<float>()[5], 0.0F);
}

TEST(KvStoreTest, E4m3HasAScaleForEachTokenAndHead) {
  KvLayout layout;
  layout.add_keys_and_values(
      {PlaneOwner::kTarget, LayerIndex{0}, PlaneKind::kKey, 2, 16, DType::kF8E4M3});
  layout.add_keys_and_values(
      {PlaneOwner::kDrafter, LayerIndex{0}, PlaneKind::kKey, 2, 16, DType::kBf16});
  KvStore store(layout, 3);

  const KvStore::Attended target = store.attended(PlaneOwner::kTarget, LayerIndex{0});
  const KvStore::Attended drafter = store.attended(PlaneOwner::kDrafter, LayerIndex{0});

  EXPECT_EQ(layout.bytes_per_token(), 2 * 2 * (16 + 4) + 2 * 2 * 16 * 2);
  EXPECT_EQ(to_string(target.values.shape()), "[3, 128, 2, 16]");
  EXPECT_EQ(to_string(target.key_scales.shape()), "[3, 128, 2, 1]");
  EXPECT_EQ(target.value_scales.dtype(), DType::kF32);
  EXPECT_NE(target.key_scales.data(), target.value_scales.data());
  EXPECT_TRUE(drafter.key_scales.empty());
  EXPECT_TRUE(drafter.value_scales.empty());
}

}  // namespace
}  // namespace talon
