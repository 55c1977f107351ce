// Attention in blocks with an online softmax (Dao et al., FlashAttention, arXiv 2205.14135), forward and backward. Scores are
// computed transposed, one row a key and one lane a query, so that maxima, sums and masks need no reduction across lanes.
// Compiled once per instruction set; LT_LEVEL is the name of its table.
#include "attention_few.h"

namespace attention {
namespace {

template <class P> struct Flash : Blocks<P> {
  typedef Blocks<P> Base;
  typedef typename Base::Stored Stored;
  typedef typename Base::Element Element;
  typedef typename Base::Unit Unit;
  typedef typename Base::Sizes Sizes;
  typedef typename Base::Sight Sight;
  using Base::at, Base::by_feature, Base::by_token, Base::log2e, Base::masked, Base::rows, Base::seen, Base::sight;
  using Base::none, Base::some;

  // ---- forward
  static Plan forward(const Job& j) {
    const Sizes z(j);
    const int64_t bh = j.batches * j.heads;
    Plan plan{};
    plan.packed = 2 * bh * z.m * z.d * static_cast<int64_t>(sizeof(Element)) + 64;
    plan.count = 2;
    plan.phases[0] = {bh * z.key_blocks, key_block * z.d * 4, pack_keys};
    plan.phases[1] = {bh * z.query_blocks,
                      4 * query_block * (3 * z.d + 2 * key_block + 4) + 1024, forward_block};
    return plan;
  }
  // Keys as rows, values by token: [batch * head][m, d] each.
  static void pack_keys(const Job& j, int64_t task, char* scratch) {
    const Sizes z(j);
    const int64_t bh = task / z.key_blocks, first = task % z.key_blocks * key_block;
    const int64_t padded = least(key_block, z.m - first), n = least(padded, j.keys - first), total = j.batches * j.heads * z.m * z.d;
    Element* k = static_cast<Element*>(j.packed) + (bh * z.m + first) * z.d;
    Element* v = reinterpret_cast<Element*>(scratch);
    rows(j.k, j, bh, first, n, padded, z.d, k);
    rows(j.v, j, bh, first, n, padded, z.d, v);
    by_token(v, padded, z.d, reinterpret_cast<Unit*>(k + total));
  }
  static void forward_block(const Job& j, int64_t task, char* scratch) {
    const Sizes z(j);
    const int64_t bh = task / z.query_blocks, first = task % z.query_blocks * query_block;
    const int64_t padded = least(query_block, z.n - first), n = least(padded, j.queries - first), total = j.batches * j.heads * z.m * z.d;
    Arena arena{scratch};
    Element* staged = arena.take<Element>(query_block * z.d);
    Unit* q = arena.take<Unit>(query_block * z.d / P::per);
    float* out = arena.take<float>(query_block * z.d);
    float* scores = arena.take<float>(key_block * query_block);
    Unit* shares = arena.take<Unit>(key_block * query_block / P::per);
    float* top = arena.take<float>(query_block);   // running maximum of the scores, in powers of 2
    float* sum = arena.take<float>(query_block);
    float* fade = arena.take<float>(query_block);  // what the older part is multiplied with
    float* block_top = arena.take<float>(query_block);
    rows(j.q, j, bh, first, n, padded, z.d, staged);
    by_feature(staged, padded, z.d, q);
    memset(out, 0, padded * z.d * sizeof(float));
    for (int64_t i = 0; i < padded; i++) top[i] = -1e30f, sum[i] = 0;
    const float to2 = j.scale * log2e;
    for (int64_t key = 0; key < z.m; key += key_block) {
      const int64_t keys = least(key_block, z.m - key);
      const Sight s = sight(j, bh, key, keys, first, padded);
      if (s == none) continue;
      const Element* k = static_cast<const Element*>(j.packed) + (bh * z.m + key) * z.d;
      for (int64_t i = 0; i < padded; i++) block_top[i] = -INFINITY;
      for (int64_t r = 0; r < keys; r += score_rows)
        for (int64_t c = 0; c < padded; c += score_vectors * W) {
          vf t[score_rows][score_vectors] = {};
          tile<P>(t, z.d / P::per, reinterpret_cast<const Unit*>(k + r * z.d), z.d / P::per, 1, q + c, query_block);
#pragma GCC unroll 4
          for (int x = 0; x < score_vectors; x++) {
            vf high = load(block_top + c + x * W);
#pragma GCC unroll 8
            for (int y = 0; y < score_rows; y++) {
              if (__builtin_expect(s == some, 0)) t[y][x] = masked(t[y][x], seen(j, bh, key + r + y), first + c + x * W);
              high = vmax(t[y][x], high);
              store(scores + (r + y) * query_block + c + x * W, t[y][x]);
            }
            store(block_top + c + x * W, high);
          }
        }
      for (int64_t c = 0; c < padded; c += W) {
        const vf old = load(top + c), now = vmax(load(block_top + c) * to2, old), factor = exp2<P>(old - now);
        vf even = load(sum + c) * factor, odd = {};
        for (int64_t r = 0; r < keys; r += 2) {
          const vf a = exp2<P>(load(scores + r * query_block + c) * to2 - now);
          const vf b = exp2<P>(load(scores + (r + 1) * query_block + c) * to2 - now);
          even += a;
          odd += b;
          P::pair(shares + r / P::per * query_block + c, query_block, a, b);
        }
        store(top + c, now);
        store(fade + c, factor);
        store(sum + c, even + odd);
      }
      accumulate<P>(out, z.d, fade, padded, keys / P::per, shares, 1, query_block, reinterpret_cast<const Unit*>(k + total));
    }
    for (int64_t i = 0; i < n; i++) {
      const float factor = sum[i] == 0 ? 0 : 1 / sum[i];
      Stored* to = at(j.out, j, bh, first + i);
      for (int64_t c = 0; c < j.d; c++) to[c] = P::write(out[i * z.d + c] * factor);
      j.lse[bh * j.queries + first + i] = sum[i] == 0 ? INFINITY : top[i] + log2f(sum[i]);
    }
  }

  // ---- backward: the workspace
  struct Packed {
    Element *q, *grad;             // by feature, then by token: [batch * head][n, d] each
    int64_t by_token;              // elements from the one form to the other
    float *lse, *delta;            // [batch * head][n]
    float* dq;                     // [batch * head][groups][n, d]
    int64_t bytes;
    Packed(const Job& j, const Sizes& z) {
      const int64_t bh = j.batches * j.heads, one = bh * z.query_blocks * query_block * z.d;
      Arena arena{static_cast<char*>(j.packed)};
      q = arena.take<Element>(2 * one);
      grad = arena.take<Element>(2 * one);
      by_token = one;
      lse = arena.take<float>(bh * z.n);
      delta = arena.take<float>(bh * z.n);
      dq = arena.take<float>(bh * z.groups * z.n * z.d);
      bytes = arena.at - static_cast<char*>(j.packed);
    }
  };
  static Plan backward(const Job& j) {
    const Sizes z(j);
    const int64_t bh = j.batches * j.heads;
    Plan plan{};
    plan.packed = Packed(j, z).bytes;
    plan.count = 3;
    plan.phases[0] = {bh * z.query_blocks, 4 * query_block * z.d, pack_queries};
    plan.phases[1] = {bh * z.groups, 4 * key_block * (5 * z.d + 3 * query_block) + 1024, backward_keys};
    plan.phases[2] = {bh * z.query_blocks, 64, sum_queries};
    return plan;
  }
  static void pack_queries(const Job& j, int64_t task, char* scratch) {
    const Sizes z(j);
    const Packed w(j, z);
    const int64_t bh = task / z.query_blocks, first = task % z.query_blocks * query_block;
    const int64_t padded = least(query_block, z.n - first), n = least(padded, j.queries - first);
    const int64_t place = task * query_block * z.d;
    Element* staged = reinterpret_cast<Element*>(scratch);
    rows(j.q, j, bh, first, n, padded, z.d, staged);
    by_feature(staged, padded, z.d, reinterpret_cast<Unit*>(w.q + place));
    by_token(staged, padded, z.d, reinterpret_cast<Unit*>(w.q + w.by_token + place));
    rows(j.grad, j, bh, first, n, padded, z.d, staged);
    by_feature(staged, padded, z.d, reinterpret_cast<Unit*>(w.grad + place));
    by_token(staged, padded, z.d, reinterpret_cast<Unit*>(w.grad + w.by_token + place));
    for (int64_t i = 0; i < padded; i++) {
      float delta = 0;
      if (i < n) {
        const Stored* out = at(j.out, j, bh, first + i);
        float part[16] = {};
        for (int64_t c = 0; c < j.d; c++) part[c % 16] += P::value(P::read(out[c])) * P::value(staged[i * z.d + c]);
        for (const float x : part) delta += x;
      }
      w.delta[bh * z.n + first + i] = delta;
      w.lse[bh * z.n + first + i] = i < n ? j.lse[bh * j.queries + first + i] : INFINITY;
    }
  }
  // The keys of one group: dk and dv, and this group's part of dq.
  static void backward_keys(const Job& j, int64_t task, char* scratch) {
    const Sizes z(j);
    const Packed w(j, z);
    const int64_t bh = task / z.groups, group = task % z.groups;
    Arena arena{scratch};
    Element* k = arena.take<Element>(key_block * z.d);
    Element* v = arena.take<Element>(key_block * z.d);
    Unit* k_token = arena.take<Unit>(key_block * z.d / P::per);
    float* dk = arena.take<float>(key_block * z.d);
    float* dv = arena.take<float>(key_block * z.d);
    Element* p = arena.take<Element>(key_block * query_block);         // shares, one row a key
    Element* ds = arena.take<Element>(key_block * query_block);        // gradients of the scores, one row a key
    Unit* ds_key = arena.take<Unit>(key_block * query_block / P::per);  // the same by pairs of keys
    float* dq = w.dq + task * z.n * z.d;
    memset(dq, 0, z.n * z.d * sizeof(float));
    const float to2 = j.scale * log2e;
    for (int64_t block = z.key_blocks * group / z.groups; block < z.key_blocks * (group + 1) / z.groups; block++) {
      const int64_t key = block * key_block, keys = least(key_block, z.m - key), n = least(keys, j.keys - key);
      rows(j.k, j, bh, key, n, keys, z.d, k);
      by_token(k, keys, z.d, k_token);
      rows(j.v, j, bh, key, n, keys, z.d, v);
      memset(dk, 0, keys * z.d * sizeof(float));
      memset(dv, 0, keys * z.d * sizeof(float));
      for (int64_t first = 0; first < z.n; first += query_block) {
        const int64_t queries = least(query_block, z.n - first);
        const Sight s = sight(j, bh, key, keys, first, queries);
        if (s == none) continue;
        const int64_t place = (bh * z.query_blocks + first / query_block) * query_block * z.d;
        const Unit *q = reinterpret_cast<const Unit*>(w.q + place), *g = reinterpret_cast<const Unit*>(w.grad + place);
        for (int64_t r = 0; r < keys; r += score_rows)
          for (int64_t c = 0; c < queries; c += score_vectors * W) {
            vf score[score_rows][score_vectors] = {}, kept[score_rows][score_vectors], t[score_rows][score_vectors] = {};
            tile<P>(score, z.d / P::per, reinterpret_cast<const Unit*>(k + r * z.d), z.d / P::per, 1, q + c, query_block);
            memcpy(kept, score, sizeof kept);
            tile<P>(t, z.d / P::per, reinterpret_cast<const Unit*>(v + r * z.d), z.d / P::per, 1, g + c, query_block);
#pragma GCC unroll 4
            for (int x = 0; x < score_vectors; x++) {
              const int64_t lane = c + x * W;
              const vf lse = load(w.lse + bh * z.n + first + lane), delta = load(w.delta + bh * z.n + first + lane);
#pragma GCC unroll 8
              for (int y = 0; y < score_rows; y += 2) {
                vf a = kept[y][x], b = kept[y + 1][x];
                if (__builtin_expect(s == some, 0)) {
                  a = masked(a, seen(j, bh, key + r + y), first + lane);
                  b = masked(b, seen(j, bh, key + r + y + 1), first + lane);
                }
                a = exp2<P>(a * to2 - lse);
                b = exp2<P>(b * to2 - lse);
                P::row(p + (r + y) * query_block + lane, a);
                P::row(p + (r + y + 1) * query_block + lane, b);
                a = a * (t[y][x] - delta);
                b = b * (t[y + 1][x] - delta);
                P::row(ds + (r + y) * query_block + lane, a);
                P::row(ds + (r + y + 1) * query_block + lane, b);
                P::pair(ds_key + (r + y) / P::per * query_block + lane, query_block, a, b);
              }
            }
          }
        const Unit *q_token = reinterpret_cast<const Unit*>(w.q + w.by_token + place);
        const Unit *g_token = reinterpret_cast<const Unit*>(w.grad + w.by_token + place);
        accumulate<P>(dv, z.d, nullptr, keys, queries / P::per, reinterpret_cast<Unit*>(p), query_block / P::per, 1, g_token);
        accumulate<P>(dk, z.d, nullptr, keys, queries / P::per, reinterpret_cast<Unit*>(ds), query_block / P::per, 1, q_token);
        accumulate<P>(dq + first * z.d, z.d, nullptr, queries, keys / P::per, ds_key, 1, query_block, k_token);
      }
      for (int64_t i = 0; i < n; i++) {
        Stored *to_k = at(j.dk, j, bh, key + i), *to_v = at(j.dv, j, bh, key + i);
        for (int64_t c = 0; c < j.d; c++) {
          to_k[c] = P::write(dk[i * z.d + c] * j.scale);
          to_v[c] = P::write(dv[i * z.d + c]);
        }
      }
    }
  }
  static void sum_queries(const Job& j, int64_t task, char*) {
    const Sizes z(j);
    const Packed w(j, z);
    const int64_t bh = task / z.query_blocks, first = task % z.query_blocks * query_block;
    for (int64_t i = first; i < least(first + query_block, j.queries); i++) {
      Stored* to = at(j.dq, j, bh, i);
      float* sum = w.dq + (bh * z.groups * z.n + i) * z.d;
      for (int64_t group = 1; group < z.groups; group++)
        for (int64_t c = 0; c < j.d; c++) sum[c] += sum[group * z.n * z.d + c];
      for (int64_t c = 0; c < j.d; c++) to[c] = P::write(sum[c] * j.scale);
    }
  }
};

template <class P> Plan plan(const Job& j, bool backward) {
  if (Few<P>::takes(j)) return backward ? Few<P>::backward(j) : Few<P>::forward(j);
  return backward ? Flash<P>::backward(j) : Flash<P>::forward(j);
}

Plan plan(const Job& j, bool backward, bool half, [[maybe_unused]] bool pairs) {
#ifdef __AVX512BF16__
  if (half && pairs) return plan<Half>(j, backward);
#endif
  return half ? plan<Wide>(j, backward) : plan<Single>(j, backward);
}

}  // namespace

extern const Kernels LT_LEVEL{plan};

}  // namespace attention
