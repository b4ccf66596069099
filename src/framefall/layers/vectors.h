// Rows of numbers as vectors of 16 float32, and the few products that attention is made of.
//
// The compiler's own vector types: it writes AVX-512, AVX2 or NEON for them, whichever the processor has.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

constexpr int kLanes = 16;
typedef float Vec __attribute__((vector_size(64)));
typedef int32_t Ints __attribute__((vector_size(64)));

inline Vec load(const float* from) {
    Vec x;
    std::memcpy(&x, from, sizeof x);
    return x;
}
inline void store(float* to, Vec x) { std::memcpy(to, &x, sizeof x); }
inline Vec splat(float x) { return x - Vec{}; }

// exp(x) for x <= 0, to about one unit in the last place; exactly 0 far below
inline Vec exponential(Vec x) {
    const Vec bounded = x < -87.0f ? splat(-87.0f) : x;
    const Vec magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to whole
    const Vec whole = bounded * 1.44269504f + magic;
    const Vec n = whole - magic;
    const Vec r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
    Vec p = splat(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    Ints bits = (Ints)whole << 23;
    const Vec value = (Vec)((Ints)p + bits);
    return x < -87.0f ? Vec{} : value;
}

inline Vec higher(Vec x, Vec y) { return x > y ? x : y; }

// lane j of the result is the sum of the lanes of x[j]; N of them count
template <int N>
inline Vec sums(const Vec* x) {
    Vec a[8] = {}, b[4] = {}, c[2] = {};
    for (int i = 0; i < N / 2; i++)
        a[i] = __builtin_shufflevector(x[2 * i], x[2 * i + 1], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
               __builtin_shufflevector(x[2 * i], x[2 * i + 1], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    for (int i = 0; i < (N + 3) / 4; i++)
        b[i] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
               __builtin_shufflevector(a[2 * i], a[2 * i + 1], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    for (int i = 0; i < (N + 7) / 8; i++)
        c[i] = __builtin_shufflevector(b[2 * i], b[2 * i + 1], 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29) +
               __builtin_shufflevector(b[2 * i], b[2 * i + 1], 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31);
    return __builtin_shufflevector(c[0], c[1], 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
           __builtin_shufflevector(c[0], c[1], 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

inline Vec wide(const float* from) { return load(from); }
inline Vec wide(const uint16_t* from) {
    typedef uint16_t Halves __attribute__((vector_size(32)));
    typedef uint32_t Words __attribute__((vector_size(64)));
    Halves x;
    std::memcpy(&x, from, sizeof x);
    return (Vec)(__builtin_convertvector(x, Words) << 16);
}
inline void put(float* to, Vec x) { store(to, x); }
inline void put(uint16_t* to, Vec x) {  // to the nearest, ties to even; not a number stays one
    typedef uint16_t Halves __attribute__((vector_size(32)));
    typedef uint32_t Words __attribute__((vector_size(64)));
    const Words bits = (Words)x, rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const Halves halves = __builtin_convertvector((bits & 0x7fffffff) > 0x7f800000 ? Words{} + 0x7fc0 : rounded, Halves);
    std::memcpy(to, &halves, sizeof halves);
}

// a row of `dim` numbers as V vectors, zeros behind
template <int V, class Element>
inline void widen(const Element* from, Vec* to, int64_t dim) {
    if (dim == V * kLanes) {
        for (int v = 0; v < V; v++) to[v] = wide(from + kLanes * v);
    } else {
        Element row[V * kLanes] = {};
        std::memcpy(row, from, dim * sizeof(Element));
        for (int v = 0; v < V; v++) to[v] = wide(row + kLanes * v);
    }
}
template <int V, class Element>
inline void narrow(const Vec* from, Element* to, int64_t dim) {
    if (dim == V * kLanes) {
        for (int v = 0; v < V; v++) put(to + kLanes * v, from[v]);
    } else {
        Element row[V * kLanes];
        for (int v = 0; v < V; v++) put(row + kLanes * v, from[v]);
        std::memcpy(to, row, dim * sizeof(Element));
    }
}

// rows become columns
inline void transpose(Vec* x) {
    for (int i = 0; i < 8; i++) {
        const Vec a = x[i], b = x[i + 8];
        x[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
        x[i + 8] = __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    }
    for (int i = 0; i < 16; i += (i % 4 == 3) ? 5 : 1) {
        const Vec a = x[i], b = x[i + 4];
        x[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
        x[i + 4] = __builtin_shufflevector(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
    }
    for (int i = 0; i < 16; i += (i % 2 == 1) ? 3 : 1) {
        const Vec a = x[i], b = x[i + 2];
        x[i] = __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
        x[i + 2] = __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    }
    for (int i = 0; i < 16; i += 2) {
        const Vec a = x[i], b = x[i + 1];
        x[i] = __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
        x[i + 1] = __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
    }
}

template <int V, int N>
inline Vec products(const Vec* q, const Vec* rows, const int32_t* at) {
    Vec acc[kLanes] = {};
    for (int j = 0; j < N; j++) {
        const Vec* row = rows + at[j];
        Vec one = q[0] * row[0];
        for (int v = 1; v < V; v++) one += q[v] * row[v];
        acc[j] = one;
    }
    return sums<N>(acc);
}

// lane j is q . rows[at[j]] for the first `count` of 16, and `other` behind; `at` is filled up to an even number
template <int V>
inline Vec dots(const Vec* q, const Vec* rows, const int32_t* at, int count, float other) {
    if (count >= kLanes) return products<V, 16>(q, rows, at);
    if (count <= 0) return splat(other);
    Vec found;
    switch ((count + 1) / 2) {
        case 1: found = products<V, 2>(q, rows, at); break;
        case 2: found = products<V, 4>(q, rows, at); break;
        case 3: found = products<V, 6>(q, rows, at); break;
        case 4: found = products<V, 8>(q, rows, at); break;
        case 5: found = products<V, 10>(q, rows, at); break;
        case 6: found = products<V, 12>(q, rows, at); break;
        case 7: found = products<V, 14>(q, rows, at); break;
        default: found = products<V, 16>(q, rows, at);
    }
    const Ints lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return lane < count ? found : splat(other);
}

// one column a query: scores become weights that sum to one
inline void softmax(Vec* scores, int keys) {
    Vec top = scores[0], total = {};
    for (int j = 1; j < keys; j++) top = higher(top, scores[j]);
    for (int j = 0; j < keys; j++) total += scores[j] = exponential(scores[j] - top);
    const Vec share = 1.0f / total;
    for (int j = 0; j < keys; j++) scores[j] *= share;
}

// the sum of rows[at[j]], each by its weight
template <int V>
inline void mix(const float* weights, const Vec* rows, const int32_t* at, int count, Vec* to) {
    Vec acc[V] = {};
    for (int j = 0; j < count; j++) {
        const Vec* row = rows + at[j];
        const Vec weight = splat(weights[kLanes * j]);
        for (int v = 0; v < V; v++) acc[v] += weight * row[v];
    }
    for (int v = 0; v < V; v++) to[v] = acc[v];
}

}  // namespace
