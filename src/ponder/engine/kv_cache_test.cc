#include "ponder/engine/kv_cache.h"

#include <gtest/gtest.h>

#include <map>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"

namespace ponder::engine {
namespace {

constexpr tensor::HeadShape kShape{1, 1, 16};
constexpr tensor::HeadShape kBf16Shape{1, 1, 16, tensor::KvType::kBf16};

// Plays the model over the cache: stores in each slot a number that stands for the whole prefix, as real keys would.
class Player {
 public:
  Player(int64_t pages, bool share, const tensor::HeadShape& shape = kShape)
      : shape_(shape), cache_(2, shape, pages, share) {}

  struct Reader {
    core::Tokens tokens;
    KvCache::Sequence sequence = {};
    int64_t computed = 0;
    int64_t guessed = 0;  // tokens at the end that may be wrong
  };

  void open(Reader& reader) {
    cache_.open(reader.sequence, core::TokenSpan(reader.tokens).first(reader.tokens.size() - 1));
    shared_ += reader.sequence.length;
  }
  void append(Reader& reader, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = reader.sequence.length;
      cache_.append(reader.sequence, reader.tokens[static_cast<size_t>(at)]);
      const tensor::PageSlot place{reader.sequence.pages.back(), static_cast<int32_t>(at % kPageTokens)};
      stores_.push_back({place, prefix_code(reader.tokens, at + 1)});
    }
    reader.computed += count;
    cache_.publish(reader.sequence);
  }
  // The last tokens of the reader, as guesses; nobody may find them.
  void guess(Reader& reader, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = reader.sequence.length;
      cache_.append_guess(reader.sequence, reader.tokens[static_cast<size_t>(at)]);
      const tensor::PageSlot place{reader.sequence.pages.back(), static_cast<int32_t>(at % kPageTokens)};
      stores_.push_back({place, prefix_code(reader.tokens, at + 1)});
    }
    reader.guessed = count;
  }
  // The first `right` guesses were right.
  void settle(Reader& reader, int64_t right) {
    reader.tokens.resize(reader.tokens.size() - static_cast<size_t>(reader.guessed - right));
    cache_.settle(reader.sequence, static_cast<int64_t>(reader.tokens.size()));
    reader.guessed = 0;
    cache_.check();
  }
  // What a forward pass does: stores, copies, and then every open sequence must read its own prefix.
  void run(const std::vector<Reader*>& readers) {
    for (int64_t l = 0; l < 2; ++l) {
      const tensor::Pages pages = cache_.layer(l);
      for (const auto& s : stores_) {
        std::vector<float> qkv(static_cast<size_t>(shape_.columns()), s.code + static_cast<float>(l));
        tensor::store_page_rows(qkv.data(), shape_, pages, &s.place, 1);
      }
      for (const auto& copy : cache_.copies())
        tensor::copy_page_slots(pages.at(copy.from), shape_, copy.slots, pages.at(copy.to));
      for (const Reader* reader : readers)
        for (int64_t i = 0; i < reader->sequence.length; ++i) {
          std::vector<float> qkv(static_cast<size_t>(shape_.columns()));
          const std::byte* page = pages.at(reader->sequence.pages[static_cast<size_t>(i / kPageTokens)]);
          tensor::load_page_row(page, shape_, i % kPageTokens, qkv.data());
          const float expected = prefix_code(reader->tokens, i + 1) + static_cast<float>(l);
          ASSERT_EQ(qkv[16 + 3], expected) << "key of position " << i;
          ASSERT_EQ(qkv[32 + 5], expected) << "value of position " << i;
        }
    }
    stores_.clear();
    cache_.copies_done();
    cache_.check();
  }
  KvCache& cache() { return cache_; }
  int64_t shared() const { return shared_; }

 private:
  // Up to 255, and 256 in the second layer: bf16 holds it.
  static float prefix_code(const core::Tokens& tokens, int64_t n) {
    uint64_t hash = 17;
    for (int64_t i = 0; i < n; ++i) hash = hash * 1000003 + static_cast<uint64_t>(tokens[static_cast<size_t>(i)]) + 1;
    return static_cast<float>(hash % 255);
  }
  struct Store {
    tensor::PageSlot place;
    float code;
  };
  tensor::HeadShape shape_;
  KvCache cache_;
  std::vector<Store> stores_;
  int64_t shared_ = 0;
};

core::Tokens random_tokens(base::Rng& rng, const core::Tokens& start, int64_t n) {
  core::Tokens tokens = start;
  while (static_cast<int64_t>(tokens.size()) < n) tokens.push_back(static_cast<core::Token>(rng.below(3)));
  return tokens;
}

void play_at_random(uint64_t seed, int64_t pages, bool share, const tensor::HeadShape& shape = kShape) {
  base::Rng rng{base::RngKey(seed)};
  Player player(pages, share, shape);
  std::vector<std::unique_ptr<Player::Reader>> open;
  std::vector<core::Tokens> seen = {{0}};
  for (int step = 0; step < 200; ++step) {
    std::vector<Player::Reader*> readers;
    for (auto& reader : open) {
      const int64_t want = rng.between(0, 20), guesses = rng.chance(0.4) ? rng.between(1, 40) : 0;
      const int64_t length = reader->sequence.length + want;
      if (!player.cache().reserve(reader->sequence, want + guesses)) continue;
      reader->tokens = random_tokens(rng, reader->tokens, length);
      player.append(*reader, want);
      reader->tokens = random_tokens(rng, reader->tokens, length + guesses);
      player.guess(*reader, guesses);
    }
    for (int64_t n = rng.below(4); n > 0; --n) {
      auto reader = std::make_unique<Player::Reader>();
      const core::Tokens& base = rng.pick(seen);
      reader->tokens.assign(base.begin(), base.begin() + rng.between(1, static_cast<int64_t>(base.size())));
      reader->tokens = random_tokens(rng, reader->tokens, static_cast<int64_t>(reader->tokens.size()) + rng.below(20));
      const int64_t size = static_cast<int64_t>(reader->tokens.size());
      if (KvCache::pages_for(size) + 1 > player.cache().available()) continue;
      player.open(*reader);
      ASSERT_TRUE(player.cache().reserve(reader->sequence, size - reader->sequence.length));
      player.append(*reader, size - reader->sequence.length);
      open.push_back(std::move(reader));
    }
    for (auto& reader : open) readers.push_back(reader.get());
    player.run(readers);
    for (auto& reader : open)
      if (reader->guessed > 0) {
        seen.push_back(reader->tokens);  // somebody will ask for the wrong ones too
        player.settle(*reader, rng.between(0, reader->guessed));
      }
    std::erase_if(open, [&](auto& reader) {
      if (!rng.chance(0.3)) return false;
      seen.push_back(reader->tokens);
      player.cache().close(reader->sequence);
      return true;
    });
    player.cache().check();
  }
  EXPECT_EQ(player.shared() > 0, share);
  for (auto& reader : open) player.cache().close(reader->sequence);
  player.cache().clear();
  player.cache().check();
  EXPECT_EQ(player.cache().available(), pages);
}

TEST(KvCache, EverySequenceReadsItsOwnPrefix) {
  for (uint64_t seed = 0; seed < 6; ++seed)
    for (const int64_t pages : {20, 60, 400}) play_at_random(seed, pages, true);
}

TEST(KvCache, EverySequenceReadsItsOwnPrefixInBf16) {
  for (uint64_t seed = 0; seed < 3; ++seed) play_at_random(seed, 60, true, kBf16Shape);
}

TEST(KvCache, Bf16TakesHalfTheMemory) { EXPECT_EQ(2 * tensor::page_bytes(kBf16Shape), tensor::page_bytes(kShape)); }

TEST(KvCache, WithoutSharingNothingIsShared) { play_at_random(1, 100, false); }

TEST(KvCache, ContinuesASequenceWithoutCopy) {
  Player player(10, true);
  Player::Reader first{.tokens = core::Tokens(20, 1)};
  player.open(first);
  ASSERT_TRUE(player.cache().reserve(first.sequence, 20));
  player.append(first, 20);
  player.run({&first});
  player.cache().close(first.sequence);
  Player::Reader second{.tokens = core::Tokens(23, 1)};
  player.open(second);
  EXPECT_EQ(second.sequence.length, 20);
  EXPECT_TRUE(player.cache().copies().empty());
  EXPECT_EQ(player.cache().available(), 8);
}

TEST(KvCache, SharesWithinOnePass) {
  Player player(10, true);
  Player::Reader a{.tokens = core::Tokens(20, 1)}, b{.tokens = core::Tokens(20, 1)};
  for (Player::Reader* r : {&a, &b}) {
    player.open(*r);
    ASSERT_TRUE(player.cache().reserve(r->sequence, 20 - r->sequence.length));
    player.append(*r, 20 - r->sequence.length);
  }
  EXPECT_EQ(b.computed, 1);  // the last token is read for its hidden state
  EXPECT_EQ(a.sequence.pages[0], b.sequence.pages[0]);
  EXPECT_NE(a.sequence.pages[1], b.sequence.pages[1]);
  player.run({&a, &b});
}

TEST(KvCache, EvictsTheLeastRecentlyUsedLeafFirst) {
  Player player(4, true);
  const auto visit = [&](core::Token token) {
    Player::Reader reader{.tokens = core::Tokens(17, token)};
    player.open(reader);
    const int64_t found = reader.sequence.length;
    EXPECT_TRUE(player.cache().reserve(reader.sequence, 17 - found));
    player.append(reader, 17 - found);
    player.run({&reader});
    player.cache().close(reader.sequence);
    return found;
  };
  const int64_t page = player.cache().bytes() / 4;
  EXPECT_EQ(player.cache().peak_bytes(), 0);
  EXPECT_EQ(visit(1), 0);
  EXPECT_EQ(player.cache().peak_bytes(), 2 * page);
  EXPECT_EQ(visit(2), 0);
  EXPECT_EQ(visit(1), 16);  // now 2 is the older one
  EXPECT_EQ(visit(3), 0);   // takes both pages of 2
  EXPECT_EQ(player.cache().peak_bytes(), 4 * page) << "pages that were taken from others count once";
  EXPECT_EQ(visit(1), 16);
  EXPECT_EQ(visit(2), 0);
  player.cache().clear();
  EXPECT_EQ(player.cache().peak_bytes(), 0);
  EXPECT_EQ(visit(1), 0);
  EXPECT_EQ(player.cache().peak_bytes(), 2 * page);
}

TEST(KvCache, GuessesAreFoundWhenTheyAreKeptAndLeaveTheirPagesWhenNot) {
  Player player(10, true);
  Player::Reader writer{.tokens = core::Tokens(20, 1)};
  player.open(writer);
  ASSERT_TRUE(player.cache().reserve(writer.sequence, 60));
  player.append(writer, 20);
  writer.tokens.resize(60, 2);
  player.guess(writer, 40);
  EXPECT_EQ(player.cache().available(), 6);
  player.run({&writer});
  const auto found_behind = [&](const core::Tokens& tokens) {
    Player::Reader other{.tokens = tokens};
    player.open(other);
    const int64_t found = other.sequence.length;
    player.run({});
    player.cache().close(other.sequence);
    return found;
  };
  EXPECT_EQ(found_behind(writer.tokens), 20) << "what is guessed is nobody else's yet";
  player.settle(writer, 15);
  EXPECT_EQ(player.cache().available(), 7);
  EXPECT_EQ(found_behind(core::Tokens(writer.tokens)), 32) << "a page that is full is found without more ado";
  writer.tokens.resize(40, 3);
  ASSERT_TRUE(player.cache().reserve(writer.sequence, 5));
  player.append(writer, 5);
  player.run({&writer});
  player.cache().close(writer.sequence);
  writer.tokens.push_back(0);
  EXPECT_EQ(found_behind(writer.tokens), 40);
}

TEST(KvCache, ReserveFailsWithoutSideEffects) {
  Player player(3, true);
  Player::Reader reader{.tokens = core::Tokens(40, 1)};
  player.open(reader);
  EXPECT_FALSE(player.cache().reserve(reader.sequence, 49));
  EXPECT_EQ(player.cache().available(), 3);
  EXPECT_TRUE(player.cache().reserve(reader.sequence, 48));
  EXPECT_EQ(player.cache().available(), 0);
  player.cache().close(reader.sequence);
  EXPECT_EQ(player.cache().available(), 3);
}

}  // namespace
}  // namespace ponder::engine
