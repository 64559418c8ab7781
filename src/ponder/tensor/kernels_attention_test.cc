#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "ponder/base/rng.h"
#include "ponder/tensor/kernels.h"
#include "ponder/tensor/simd.h"
#include "ponder/tensor/team.h"

namespace ponder::tensor {
namespace {

using Floats = std::vector<float>;

Floats random_floats(int64_t n, uint64_t seed) {
  base::Rng rng{base::RngKey(seed)};
  Floats x(static_cast<size_t>(n));
  for (float& v : x) v = static_cast<float>(rng.normal());
  return x;
}

// To nearest, ties to even, in arithmetic rather than in bits: a bf16 has 8 bits of significand.
float nearest_bf16(float x) {
  int exponent = 0;
  const double significand = std::frexp(static_cast<double>(x), &exponent);
  return static_cast<float>(std::ldexp(std::nearbyint(std::ldexp(significand, 8)), exponent - 8));
}

Floats with_rounded_keys_and_values(Floats qkv, const HeadShape& shape) {
  for (size_t i = 0; i < qkv.size(); ++i)
    if (static_cast<int64_t>(i) % shape.columns() >= shape.heads * shape.head_dim) qkv[i] = nearest_bf16(qkv[i]);
  return qkv;
}

// Pages of one layer, with the rows of several sequences put where a test wants them.
struct Layer {
  Layer(const HeadShape& shape, int64_t pages)
      : shape(shape), memory(static_cast<size_t>(pages * page_bytes(shape))), pages{memory.data(), page_bytes(shape)} {}
  void put(const Floats& qkv, int64_t n, const std::vector<int32_t>& table) {
    std::vector<PageSlot> places;
    for (int32_t i = 0; i < n; ++i)
      places.push_back({table[static_cast<size_t>(i / kPageTokens)], static_cast<int32_t>(i % kPageTokens)});
    store_page_rows(qkv.data(), shape, pages, places.data(), n);
  }
  HeadShape shape;
  std::vector<std::byte> memory;
  Pages pages;
};

class Attention : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    simd::limit_level(GetParam());
    if (simd::level() != GetParam()) GTEST_SKIP() << "this machine lacks the instruction set";
  }
  void TearDown() override { simd::limit_level(100); }
};
INSTANTIATE_TEST_SUITE_P(Level, Attention, testing::Values(1, 3, 4, 6));

TEST_P(Attention, PagesGiveBackWhatWasStored) {
  for (const KvType kv : {KvType::kF32, KvType::kBf16}) {
    const HeadShape shape{4, 2, 48, kv};
    const Floats qkv = random_floats(kPageTokens * shape.columns(), 1);
    const Floats expected = kv == KvType::kF32 ? qkv : with_rounded_keys_and_values(qkv, shape);
    Layer layer(shape, 2);
    for (const int32_t slot : {3, 2, 0, 15, 8, 9, 1, 4, 5, 7, 6, 10, 14, 13, 12, 11}) {
      const PageSlot place{0, slot};
      store_page_rows(&qkv[static_cast<size_t>(slot * shape.columns())], shape, layer.pages, &place, 1);
    }
    copy_page_slots(layer.pages.at(0), shape, 11, layer.pages.at(1));
    for (int64_t slot = 0; slot < kPageTokens; ++slot) {
      const Floats row(expected.begin() + slot * shape.columns(), expected.begin() + (slot + 1) * shape.columns());
      Floats read = row, copied = row, untouched = row;
      for (Floats* x : {&read, &copied, &untouched}) std::fill(x->begin() + 4 * 48, x->end(), 0.0f);
      load_page_row(layer.pages.at(0), shape, slot, read.data());
      load_page_row(layer.pages.at(1), shape, slot, copied.data());
      EXPECT_EQ(read, row) << slot;
      EXPECT_EQ(copied, slot < 11 ? row : untouched) << slot;
    }
  }
}

TEST_P(Attention, RoundingIsToNearestAndTiesToEven) {
  const HeadShape shape{1, 1, 16, KvType::kBf16};
  Layer layer(shape, 1);
  const float in[] = {1.00390625f, 1.01171875f, -1.00390625f, 1.004f, 3.3895314e38f, -0.0f, 1e-40f, 65504.0f};
  const float expected[] = {1.0f, 1.015625f, -1.0f, 1.0078125f, 3.3895314e38f, -0.0f, 9.183550e-41f, 65536.0f};
  Floats qkv(48, 0.0f);
  std::copy(std::begin(in), std::end(in), &qkv[16]);
  qkv[40] = std::nanf(""), qkv[41] = HUGE_VALF;
  const PageSlot place{0, 5};
  store_page_rows(qkv.data(), shape, layer.pages, &place, 1);
  Floats read(48);
  load_page_row(layer.pages.at(0), shape, 5, read.data());
  for (int i = 0; i < 8; ++i) EXPECT_EQ(read[16 + i], expected[i]) << i;
  EXPECT_TRUE(std::isnan(read[40]));
  EXPECT_EQ(read[41], HUGE_VALF);
}

// What int8 pages make of keys and values.
Floats as_int8_keeps_them(const Floats& qkv, const HeadShape& shape) {
  HeadShape int8 = shape;
  int8.kv = KvType::kInt8;
  const int64_t n = static_cast<int64_t>(qkv.size()) / shape.columns();
  Floats kept = qkv;
  Layer layer(int8, 1);
  for (int64_t i = 0; i < n; ++i) {
    const PageSlot place{0, static_cast<int32_t>(i % kPageTokens)};
    store_page_rows(&qkv[static_cast<size_t>(i * shape.columns())], int8, layer.pages, &place, 1);
    load_page_row(layer.pages.at(0), int8, place.slot, &kept[static_cast<size_t>(i * shape.columns())]);
  }
  return kept;
}

TEST_P(Attention, Int8KeepsEachHeadsVectorToHalfAStepOfItsOwnScale) {
  const HeadShape shape{4, 2, 48, KvType::kInt8};
  const int64_t hd = shape.head_dim;
  Floats qkv = random_floats(kPageTokens * shape.columns(), 31);
  for (int64_t slot = 0; slot < kPageTokens; ++slot)  // vectors of very different lengths
    for (int64_t c = 0; c < shape.columns(); ++c)
      qkv[static_cast<size_t>(slot * shape.columns() + c)] *=
          std::pow(10.0f, static_cast<float>((c / hd + slot) % 7 - 3));
  std::fill_n(&qkv[static_cast<size_t>(5 * shape.columns() + 4 * hd)], hd, 0.0f);
  const Floats kept = as_int8_keeps_them(qkv, shape);
  double worst = 0;
  for (size_t first = 0; first < qkv.size(); first += static_cast<size_t>(hd)) {
    if (static_cast<int64_t>(first) % shape.columns() < shape.heads * hd) continue;
    float highest = 0;
    for (size_t i = first; i < first + static_cast<size_t>(hd); ++i) highest = std::max(highest, std::abs(qkv[i]));
    for (size_t i = first; i < first + static_cast<size_t>(hd); ++i) {
      EXPECT_LE(std::abs(kept[i] - qkv[i]), 0.50001f * highest / 127) << i;
      if (highest > 0) worst = std::max(worst, static_cast<double>(std::abs(kept[i] - qkv[i]) / highest));
    }
  }
  EXPECT_GT(worst, 0.4 / 127) << "it is rounded";
  EXPECT_EQ(page_bytes(shape) * 4, page_bytes({4, 2, 48}) + 4 * 4 * 4 * kPageTokens) << "a byte a number, and scales";
}

TEST_P(Attention, CopiesOfInt8PagesAreExact) {
  const HeadShape shape{4, 2, 48, KvType::kInt8};
  const Floats qkv = random_floats(2 * kPageTokens * shape.columns(), 32);
  Layer layer(shape, 2);
  layer.put(qkv, 2 * kPageTokens, {0, 1});
  const auto read = [&](int64_t page, int64_t slot) {
    Floats row(static_cast<size_t>(shape.columns()), 0.0f);
    load_page_row(layer.pages.at(page), shape, slot, row.data());
    return row;
  };
  std::vector<Floats> expected;
  for (int64_t slot = 0; slot < kPageTokens; ++slot) expected.push_back(read(slot < 11 ? 0 : 1, slot));
  copy_page_slots(layer.pages.at(0), shape, 11, layer.pages.at(1));
  for (int64_t slot = 0; slot < kPageTokens; ++slot) EXPECT_EQ(read(1, slot), expected[static_cast<size_t>(slot)]);
}

TEST_P(Attention, Int8DoesNotHideWhatIsNoNumber) {
  const HeadShape shape{1, 1, 16, KvType::kInt8};
  for (const float bad : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
    Floats qkv(48, 1.0f);
    qkv[20] = bad;
    const Floats kept = as_int8_keeps_them(qkv, shape);
    EXPECT_TRUE(std::isnan(kept[16]));
    EXPECT_EQ(kept[32], 1.0f);
  }
}

// Attending to int8 pages is attending, in f32, to what they keep, to the bit.
TEST_P(Attention, Int8IsF32OnWhatItKeeps) {
  for (HeadShape shape : {HeadShape{4, 4, 32}, HeadShape{6, 2, 16}, HeadShape{3, 1, 80}, HeadShape{2, 1, 48, {}, 50}}) {
    const int64_t n = 300;  // more than one section
    const Floats qkv = random_floats(n * shape.columns(), 33), kept = as_int8_keeps_them(qkv, shape);
    std::vector<int32_t> table(static_cast<size_t>((n + kPageTokens - 1) / kPageTokens));
    std::iota(table.rbegin(), table.rend(), 0);
    std::vector<AttendRow> rows;
    for (int64_t i = 0; i < n; ++i) rows.push_back({table.data(), i + 1});
    const auto attend = [&](const Floats& stored, KvType kv) {
      shape.kv = kv;
      Layer layer(shape, static_cast<int64_t>(table.size()));
      layer.put(stored, n, table);
      Floats out(static_cast<size_t>(n * shape.heads * shape.head_dim)), lse(static_cast<size_t>(n * shape.heads));
      attend_rows(stored.data(), rows.data(), n, shape, layer.pages, out.data(), lse.data());
      out.insert(out.end(), lse.begin(), lse.end());
      return out;
    };
    EXPECT_EQ(attend(qkv, KvType::kInt8), attend(kept, KvType::kF32));
    EXPECT_NE(attend(qkv, KvType::kInt8), attend(qkv, KvType::kF32));
  }
}

TEST_P(Attention, ATeamChangesNoBit) {
  const HeadShape shape{4, 2, 32};
  const int64_t n = 300;
  const Floats qkv = random_floats(n * shape.columns(), 21);
  const auto attend = [&] {
    Floats out(static_cast<size_t>(n * shape.heads * shape.head_dim));
    attend_sequence(qkv.data(), n, shape, out.data(), nullptr);
    return out;
  };
  const Floats alone = attend();
  Team team(3);
  const TeamScope scope(&team);
  EXPECT_EQ(alone, attend());
}

// Attending to bf16 pages is attending, in f32, to rounded keys and values; the sums are the same to the bit.
TEST_P(Attention, Bf16IsF32OnRoundedKeysAndValues) {
  for (HeadShape shape : {HeadShape{4, 4, 32}, HeadShape{6, 2, 16}, HeadShape{3, 1, 80}}) {
    const int64_t n = 300;  // more than one section
    const Floats qkv = random_floats(n * shape.columns(), 2), rounded = with_rounded_keys_and_values(qkv, shape);
    const size_t width = static_cast<size_t>(n * shape.heads * shape.head_dim);
    Floats a(width), b(width), lse_a(static_cast<size_t>(n * shape.heads)), lse_b = lse_a;
    attend_sequence(rounded.data(), n, shape, a.data(), lse_a.data());
    const Floats grad = random_floats(static_cast<int64_t>(width), 3);
    Floats grad_a(qkv.size()), grad_b(qkv.size());
    attend_sequence_backward(grad.data(), a.data(), lse_a.data(), rounded.data(), n, shape, grad_a.data());
    shape.kv = KvType::kBf16;
    attend_sequence(qkv.data(), n, shape, b.data(), lse_b.data());
    attend_sequence_backward(grad.data(), b.data(), lse_b.data(), qkv.data(), n, shape, grad_b.data());
    EXPECT_EQ(a, b);
    EXPECT_EQ(lse_a, lse_b);
    if (GetParam() == 6) continue;  // tiles round the gradient's own inputs as well
    EXPECT_EQ(grad_a, grad_b) << "the gradient passes the rounding straight through";
  }
}

// Tiles round queries, weights and gradients to 8 bits as well: half a percent of the whole, as many errors at random.
TEST_P(Attention, TilesGiveTheGradientOfVectorsButForRounding) {
  if (GetParam() != 6) GTEST_SKIP() << "this instruction set has no matrix tiles";
  const std::vector<std::vector<int64_t>> groups = {{1},        {31},     {300}, {0, 40, 41}, {17, 18, 60, 60, 200},
                                                    {129, 140}, {96, 300}};  // the prompt, then ends
  for (const HeadShape& shape :
       {HeadShape{2, 2, 16, KvType::kBf16}, HeadShape{4, 2, 32, KvType::kBf16}, HeadShape{3, 1, 80, KvType::kBf16},
        HeadShape{2, 1, 48, KvType::kBf16, 50}, HeadShape{1, 1, 256, KvType::kBf16, 128, 0.1}})
    for (const std::vector<int64_t>& group : groups) {
      const GroupRows rows{group[0], std::span(group).subspan(1)};
      const int64_t n = group.back(), columns = shape.columns(), width = shape.heads * shape.head_dim;
      const Floats qkv = random_floats(n * columns, 30), grad = random_floats(n * width, 31);
      Floats out(static_cast<size_t>(n * width)), lse(static_cast<size_t>(n * shape.heads));
      attend_group(qkv.data(), rows, shape, out.data(), lse.data());
      Floats tiles(qkv.size(), 7.0f), vectors(qkv.size(), 7.0f);
      attend_group_backward(grad.data(), out.data(), lse.data(), qkv.data(), rows, shape, tiles.data());
      simd::limit_level(4);
      attend_group_backward(grad.data(), out.data(), lse.data(), qkv.data(), rows, shape, vectors.data());
      simd::limit_level(6);
      double error = 0, whole = 0;
      for (size_t i = 0; i < qkv.size(); ++i) {
        const double difference = double(tiles[i]) - vectors[i];
        ASSERT_LT(std::abs(difference), 0.02 + 0.02 * std::abs(vectors[i])) << shape.head_dim << " " << n << " " << i;
        error += difference * difference, whole += double(vectors[i]) * vectors[i];
      }
      EXPECT_LT(std::sqrt(error), 0.005 * std::sqrt(whole)) << shape.head_dim << " " << group[0] << " " << n;
    }
}

// A group is its sequences, each with a copy of the prompt: the same bits forward, the same sums backward.
TEST_P(Attention, AGroupIsItsSequencesWithTheirPromptCopied) {
  for (const KvType kv : {KvType::kF32, KvType::kBf16})
    for (const int64_t prompt : {0, 5, 16, 37, 270}) {
      const HeadShape shape{4, 2, 32, kv};
      const int64_t columns = shape.columns(), width = shape.heads * shape.head_dim;
      const std::vector<int64_t> ends = {prompt + 1, prompt + 20, prompt + 20, prompt + 61, prompt + 70};
      const int64_t n = ends.back();
      const Floats qkv = random_floats(n * columns, 20), grad = random_floats(n * width, 21);
      Floats out(static_cast<size_t>(n * width)), lse(static_cast<size_t>(n * shape.heads)), grad_qkv(qkv.size(), 7.0f);
      attend_group(qkv.data(), {prompt, ends}, shape, out.data(), lse.data());
      attend_group_backward(grad.data(), out.data(), lse.data(), qkv.data(), {prompt, ends}, shape, grad_qkv.data());

      std::vector<double> expected(qkv.size(), 0);
      int64_t begin = prompt;
      for (size_t c = 0; c < ends.size(); ++c) {
        const int64_t own = ends[c] - begin, length = prompt + own;
        const auto rows = [&](const Floats& all, int64_t per_row, bool with_prompt) {
          Floats copy(static_cast<size_t>(length * per_row), 0.0f);
          if (with_prompt) std::copy(all.begin(), all.begin() + prompt * per_row, copy.begin());
          std::copy(all.begin() + begin * per_row, all.begin() + ends[c] * per_row, copy.begin() + prompt * per_row);
          return copy;
        };
        const Floats q = rows(qkv, columns, true), g = rows(grad, width, c == 0);
        Floats o(static_cast<size_t>(length * width)), l(static_cast<size_t>(length * shape.heads)), gq(q.size());
        attend_sequence(q.data(), length, shape, o.data(), l.data());
        EXPECT_EQ(o, rows(out, width, true)) << prompt << " " << c;
        EXPECT_EQ(l, rows(lse, shape.heads, true)) << prompt << " " << c;
        attend_sequence_backward(g.data(), o.data(), l.data(), q.data(), length, shape, gq.data());
        for (int64_t i = 0; i < length * columns; ++i)
          expected[static_cast<size_t>(i < prompt * columns ? i : i + (begin - prompt) * columns)] +=
              gq[static_cast<size_t>(i)];
        begin = ends[c];
      }
      for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(grad_qkv[i], expected[i], 2e-5) << prompt << " " << i;
    }
}

TEST_P(Attention, LongSequencesAgreeWithAPlainSoftmax) {
  const HeadShape shape{2, 1, 16};
  const int64_t n = 530, hd = 16;
  Floats qkv = random_floats(n * shape.columns(), 4);
  for (int64_t d = 0; d < hd; ++d)
    qkv[static_cast<size_t>(400 * shape.columns() + 2 * hd + d)] *= 8;  // a late high score
  Floats out(static_cast<size_t>(n * 2 * hd)), lse(static_cast<size_t>(n * 2));
  attend_sequence(qkv.data(), n, shape, out.data(), lse.data());
  for (const int64_t t : {0, 15, 255, 256, 257, 511, 529})
    for (int64_t h = 0; h < 2; ++h) {
      const float* q = &qkv[static_cast<size_t>(t * shape.columns() + h * hd)];
      std::vector<double> sum(hd, 0);
      double total = 0;
      for (int64_t j = 0; j <= t; ++j) {
        const float* key = &qkv[static_cast<size_t>(j * shape.columns() + 2 * hd)];
        const double score = std::inner_product(q, q + hd, key, 0.0) / 4;
        total += std::exp(score);
        for (int64_t d = 0; d < hd; ++d) sum[static_cast<size_t>(d)] += std::exp(score) * key[hd + d];
      }
      EXPECT_NEAR(lse[static_cast<size_t>(t * 2 + h)], std::log(total), 2e-5);
      for (int64_t d = 0; d < hd; ++d)
        EXPECT_NEAR(out[static_cast<size_t>((t * 2 + h) * hd + d)], sum[static_cast<size_t>(d)] / total, 1e-5) << t;
    }
}

// A window of w positions is the attention of a sequence of these w alone, where both lie on the same grid of pages;
// what lies before is not even read.
TEST_P(Attention, AWindowSeesItsOwnPositionsAndNoPageBefore) {
  const int64_t n = 600, window = 272;  // ends of windows in all places of a page, over sections of 256
  HeadShape shape{4, 2, 16};
  const Floats qkv = random_floats(n * shape.columns(), 9);
  Layer layer(shape, 40);
  std::vector<int32_t> table(40);
  std::iota(table.begin(), table.end(), 0);
  layer.put(qkv, n, table);
  shape.window = window;
  const size_t width = static_cast<size_t>(shape.heads * shape.head_dim);
  for (const int64_t length : {272, 288, 400, 544, 600}) {
    const float* query = &qkv[static_cast<size_t>((length - 1) * shape.columns())];
    const int64_t first = length - window;
    std::vector<int32_t> seen(table);
    for (int64_t p = 0; (p + 1) * kPageTokens <= first; ++p) seen[static_cast<size_t>(p)] = 1 << 20;  // would crash
    const AttendRow row{seen.data(), length};
    Floats out(width), lse(4);
    attend_rows(query, &row, 1, shape, layer.pages, out.data(), lse.data());
    for (int64_t h = 0; h < shape.heads; ++h) {
      double total = 0;
      std::vector<double> sum(16, 0);
      for (int64_t j = first; j < length; ++j) {
        const float* key = &qkv[static_cast<size_t>(j * shape.columns() + (4 + h / 2) * 16)];
        const double weight = std::exp(std::inner_product(query + h * 16, query + (h + 1) * 16, key, 0.0) / 4);
        total += weight;
        for (size_t d = 0; d < 16; ++d) sum[d] += weight * key[2 * 16 + d];
      }
      EXPECT_NEAR(lse[static_cast<size_t>(h)], std::log(total), 2e-5) << length;
      for (size_t d = 0; d < 16; ++d) EXPECT_NEAR(out[static_cast<size_t>(h) * 16 + d], sum[d] / total, 1e-5) << length;
    }
  }
}

// A tree of sequences over shared pages, all rows in one call and in several orders, against each row by itself with
// its pages elsewhere.
TEST_P(Attention, ARowsBitsDoNotDependOnNeighboursOrPages) {
  base::Rng rng{base::RngKey(6)};
  for (const HeadShape& shape : {HeadShape{6, 2, 32}, HeadShape{6, 2, 32, KvType::kBf16},
                                 HeadShape{6, 2, 32, KvType::kF32, 50}, HeadShape{2, 1, 256, KvType::kBf16, 300}}) {
    const int64_t width = shape.heads * shape.head_dim, longest = 400;
    const Floats qkv = random_floats(longest * shape.columns(), 7);
    Layer tree(shape, 45 * 25), alone(shape, 40);
    std::vector<std::vector<int32_t>> tables;
    std::vector<AttendRow> rows;
    int32_t next = 0;
    for (int i = 0; i < 45; ++i) {
      const int64_t length = rng.chance(0.1) ? 0 : rng.between(1, longest);
      const size_t pages = static_cast<size_t>((length + kPageTokens - 1) / kPageTokens);
      std::vector<int32_t> table;
      if (!tables.empty() && rng.chance(0.9)) {  // the longest prefix in common is a whole number of pages
        const auto& other = rng.pick(tables);
        table.assign(other.begin(), other.begin() + static_cast<int64_t>(std::min(other.size(), pages)));
      }
      for (; table.size() < pages; ++next) table.push_back(next);
      tree.put(qkv, length, table);
      tables.push_back(table);
      rows.push_back({nullptr, length});
    }
    for (size_t i = 0; i < rows.size(); ++i) rows[i].table = tables[i].data();
    Floats queries = random_floats(static_cast<int64_t>(rows.size()) * shape.columns(), 8);
    Floats together(rows.size() * static_cast<size_t>(width)), one(static_cast<size_t>(width));
    attend_rows(queries.data(), rows.data(), static_cast<int64_t>(rows.size()), shape, tree.pages, together.data(),
                nullptr);
    std::vector<int32_t> backwards(40);
    std::iota(backwards.rbegin(), backwards.rend(), 0);
    alone.put(qkv, longest, backwards);
    for (size_t i = 0; i < rows.size(); ++i) {
      const AttendRow row{backwards.data(), rows[i].length};
      attend_rows(&queries[i * static_cast<size_t>(shape.columns())], &row, 1, shape, alone.pages, one.data(), nullptr);
      const auto begin = together.begin() + static_cast<int64_t>(i) * width;
      EXPECT_TRUE(std::equal(one.begin(), one.end(), begin)) << "row " << i << " of length " << rows[i].length;
      EXPECT_TRUE(rows[i].length > 0 || one == Floats(static_cast<size_t>(width), 0.0f));
    }
  }
}

}  // namespace
}  // namespace ponder::tensor
