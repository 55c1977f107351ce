// Blocks of tokens: sizes, packing and masks, shared by forward and backward; included by attention_kernel.cpp alone.
#pragma once
#include "attention.h"
#include "attention_tiles.h"

namespace attention {
namespace {

constexpr int64_t query_block = 144, key_block = 96;      // what a core's nearest caches hold
constexpr int64_t query_grain = 48, key_grain = 24, d_grain = 16;  // whole tiles; what is missing is padded with zeros
constexpr int64_t want_tasks = 32;  // backward splits the keys of a head when there are fewer heads than this

constexpr int64_t up(int64_t n, int64_t grain) { return (n + grain - 1) / grain * grain; }
constexpr int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

struct Arena {  // cuts a piece of memory into aligned arrays
  char* at;
  template <class T> T* take(int64_t n) {
    char* here = at;
    at += up(n * static_cast<int64_t>(sizeof(T)), 64);
    return reinterpret_cast<T*>(here);
  }
};

// How tensors are cut, padded and laid out for tile(), and what of a block a mask leaves.
template <class P> struct Blocks {
  typedef typename P::Stored Stored;
  typedef typename P::Element Element;
  typedef typename P::Unit Unit;
  static constexpr float log2e = 1.44269504088896f;

  // Places of one batch entry and head, and the padded sizes.
  struct Sizes {
    int64_t d, n, m, query_blocks, key_blocks, groups;
    explicit Sizes(const Job& j)
        : d(up(j.d, d_grain)), n(up(j.queries, query_grain)), m(up(j.keys, key_grain)),
          query_blocks((n + query_block - 1) / query_block), key_blocks((m + key_block - 1) / key_block),
          groups(most(1, least(key_blocks, (want_tasks + j.batches * j.heads - 1) / (j.batches * j.heads)))) {}
  };

  static Stored* at(const View& x, const Job& j, int64_t bh, int64_t token) {
    const int64_t b = bh / j.heads;
    return static_cast<Stored*>(x.data) + b / j.inner * x.batch + b % j.inner * x.place + bh % j.heads * x.head + token * x.token;
  }

  // Rows first..first+n-1 of a tensor, contiguous and padded with zeros to [padded, d].
  static void rows(const View& x, const Job& j, int64_t bh, int64_t first, int64_t n, int64_t padded, int64_t d, Element* to) {
    const Stored* from = at(x, j, bh, first);
    for (int64_t i = 0; i < padded; i++, to += d, from += x.token) {
      const int64_t used = i < n ? j.d : 0;
      for (int64_t c = 0; c < used; c++) to[c] = P::read(from[c]);
      memset(to + used, 0, (d - used) * sizeof(Element));
    }
  }
  // [n, d] -> units of consecutive tokens, [n / per, d].
  static void by_token(const Element* x, int64_t n, int64_t d, Unit* to) {
    for (int64_t i = 0; i < n; i += P::per, x += P::per * d)
      for (int64_t c = 0; c < d; c++) *to++ = P::unit(x + c, d);
  }
  // [n, d] -> units of consecutive features, one lane a token: [d / per, query_block].
  static void by_feature(const Element* x, int64_t n, int64_t d, Unit* to) {
    turn(reinterpret_cast<const float*>(x), d / P::per, n, d / P::per, reinterpret_cast<float*>(to), query_block);  // of units, whatever they are
  }

  // Which queries see a key, and how a block of both stands to the mask.
  struct Seen { int64_t from, until; };
  static Seen seen(const Job& j, int64_t bh, int64_t key) {
    if (key >= j.keys) return {0, 0};
    if (!j.from) return {0, INT32_MAX};
    const int64_t at = bh / j.heads * j.mask_batch + key;
    return {j.from[at], j.until[at]};
  }
  enum Sight { none, some, whole };
  static Sight sight(const Job& j, int64_t bh, int64_t key, int64_t keys, int64_t query, int64_t queries) {
    if (!j.from) return key + keys <= j.keys ? whole : some;
    bool any = false, every = true;
    for (int64_t k = key; k < key + keys; k++) {
      const Seen s = seen(j, bh, k);
      any = any || most(s.from, query) < least(s.until, query + queries);
      every = every && s.from <= query && s.until >= query + queries;
    }
    return !any ? none : every ? whole : some;
  }
  static vf masked(vf score, Seen s, int64_t query) {
    vi lane;
    for (int i = 0; i < W; i++) lane[i] = static_cast<int32_t>(query) + i;
    const vi in = (lane >= static_cast<int32_t>(s.from)) & (lane < static_cast<int32_t>(s.until));
    return in ? score : all(-INFINITY);
  }
};

}  // namespace
}  // namespace attention
