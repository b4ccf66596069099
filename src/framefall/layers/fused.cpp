// What stands between a transformer's matrix products, each in one pass over memory: a norm with its modulation, a gated
// sum, the gate of an MLP, and queries and keys normalised, turned and laid out for attention. With their gradients.
//
// Numbers are float32 or bfloat16 in memory and float32 in registers. Rows are dealt to threads in fixed chunks, and
// every chunk sums gradients that rows share into a row of its own: the result does not depend on the threads.
// No torch, no Python: a C interface with pointers, sizes and strides in elements (framefall/layers/fused_kernel.py).

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <thread>
#include <vector>

#include "vectors.h"

namespace {

constexpr int64_t kRows = 64;  // of a chunk

inline float total(Vec x) {
    x += __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    x += __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    x += __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    x += __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
    return x[0];
}

// job(0) ... job(jobs - 1), each by whichever thread is free
template <class Job>
void share(int64_t threads, int64_t jobs, Job job) {
    std::atomic<int64_t> next{0};
    const auto work = [&] {
        for (int64_t one; (one = next++) < jobs;) job(one);
    };
    std::vector<std::thread> others;
    try {
        for (int64_t i = 1; i < std::min(threads, jobs); i++) others.emplace_back(work);
    } catch (...) {  // no more threads: the ones there are do it
    }
    work();
    for (auto& other : others) other.join();
}

struct Sizes {  // rows of every clip that share a clip's modulation
    int64_t threads, batch, rows, dim;
    int64_t chunks() const { return (rows + kRows - 1) / kRows; }
    // visit(clip, first row, last row, chunk's number)
    template <class Visit>
    void each(Visit visit) const {
        share(threads, batch * chunks(), [&](int64_t job) {
            const int64_t clip = job / chunks(), first = job % chunks() * kRows;
            visit(clip, clip * rows + first, clip * rows + std::min(rows, first + kRows), job);
        });
    }
};

template <class Element>
inline Vec at(const void* data, int64_t place) { return wide(static_cast<const Element*>(data) + place); }
template <class Element>
inline void set(void* data, int64_t place, Vec x) { put(static_cast<Element*>(data) + place, x); }
inline void add(float* to, Vec x) { store(to, load(to) + x); }

// calls f with a value of the type that `bfloat` names
template <class F>
inline void typed(int64_t bfloat, F f) { bfloat ? f(uint16_t{}) : f(float{}); }
template <class F>
inline void typed(int64_t bfloat, int64_t other, F f) {
    typed(bfloat, [&](auto like) { typed(other, [&](auto unlike) { f(like, unlike); }); });
}

template <class Element>
inline float inverse_rms(const void* x, int64_t row, int64_t dim, float epsilon) {
    Vec squares = {};
    for (int64_t i = 0; i < dim; i += kLanes) {
        const Vec one = at<Element>(x, row * dim + i);
        squares += one * one;
    }
    return 1.0f / std::sqrt(total(squares) / float(dim) + epsilon);
}

inline Vec sigmoid(Vec x) {
    const Vec e = exponential(x < 0.0f ? x : -x), share = 1.0f / (1.0f + e);
    return x < 0.0f ? e * share : share;
}

// a head of one token: `dim` numbers of it at x; the angles' cosines and sines of its first half
template <class Element>
struct Turn {
    const float *weight, *cos, *sin;
    int64_t dim;
    float epsilon;

    void forward(const Element* x, Element* to) const {
        const float inverse = inverse_rms<Element>(x, 0, dim, epsilon);
        for (int64_t i = 0, j = dim / 2; i < dim / 2; i += kLanes, j += kLanes) {
            const Vec a = wide(x + i) * inverse * load(weight + i), b = wide(x + j) * inverse * load(weight + j);
            const Vec c = load(cos + i), s = load(sin + i);
            put(to + i, a * c - b * s);
            put(to + j, b * c + a * s);
        }
    }

    // y = w n with n = x / rms: the slope of x is (w g - n mean(w g n)) / rms
    void backward(const Element* x, const Element* grad, Element* to, float* grad_weight) const {
        const float inverse = inverse_rms<Element>(x, 0, dim, epsilon);
        Vec along = {};
        unturned(grad, [&](int64_t i, Vec g) {
            const Vec n = wide(x + i) * inverse;
            along += g * load(weight + i) * n;
            add(grad_weight + i, g * n);
        });
        const float mean = total(along) / float(dim);
        unturned(grad, [&](int64_t i, Vec g) {
            put(to + i, inverse * (g * load(weight + i) - wide(x + i) * (inverse * mean)));
        });
    }

    template <class Visit>
    void unturned(const Element* grad, Visit visit) const {
        for (int64_t i = 0, j = dim / 2; i < dim / 2; i += kLanes, j += kLanes) {
            const Vec a = wide(grad + i), b = wide(grad + j), c = load(cos + i), s = load(sin + i);
            visit(i, a * c + b * s);
            visit(j, b * c - a * s);
        }
    }
};

}  // namespace

// queries, keys and values of all heads of a token lie side by side; tensors are [batch, frames, positions, heads, dim]
struct Heads {
    int64_t bfloat, threads, batch, frames, positions, heads, dim;
    int64_t angles[3];      // strides of cosines and sines
    int64_t strides[3][4];  // of queries, keys, values (or their gradients): batch, frames, positions, heads
    double epsilon;
    const void *packed, *weights[2], *cos, *sin;
    void *parts[3], *grad_packed, *grad_weights;  // the last [chunks, 2, dim]
};

extern "C" int64_t chunk_rows() { return kRows; }

extern "C" void project_heads(const Heads* task, int64_t backward) {
    const Heads& t = *task;
    typed(t.bfloat, [&](auto like) {
        using Element = decltype(like);
        const Sizes sizes{t.threads, 1, t.batch * t.frames * t.positions, 3 * t.heads * t.dim};
        sizes.each([&](int64_t, int64_t first, int64_t last, int64_t chunk) {
            for (int64_t row = first; row < last; row++) {
                const int64_t place[3] = {row / (t.frames * t.positions), row / t.positions % t.frames, row % t.positions};
                int64_t angle = 0;
                for (int axis = 0; axis < 3; axis++) angle += place[axis] * t.angles[axis];
                for (int part = 0; part < 3; part++) {
                    const int64_t* stride = t.strides[part];
                    int64_t begin = 0;
                    for (int axis = 0; axis < 3; axis++) begin += place[axis] * stride[axis];
                    const float* weight = part < 2 ? static_cast<const float*>(t.weights[part]) : nullptr;
                    const Turn<Element> turn{weight, static_cast<const float*>(t.cos) + angle,
                                             static_cast<const float*>(t.sin) + angle, t.dim, float(t.epsilon)};
                    for (int64_t head = 0; head < t.heads; head++) {
                        const int64_t inside = row * sizes.dim + (part * t.heads + head) * t.dim;
                        const auto* x = static_cast<const Element*>(t.packed) + inside;
                        auto* own = static_cast<Element*>(t.parts[part]) + begin + head * stride[3];
                        auto* to = static_cast<Element*>(t.grad_packed) + (backward ? inside : 0);
                        auto* shared = static_cast<float*>(t.grad_weights) + (backward ? (chunk * 2 + part) * t.dim : 0);
                        if (part == 2) {
                            std::copy_n(backward ? own : x, t.dim, backward ? to : own);
                        } else if (backward) {
                            turn.backward(x, own, to, shared);
                        } else {
                            turn.forward(x, own);
                        }
                    }
                }
            }
        });
    });
}

// to = x / rms(x) * (1 + scale) + shift
extern "C" void modulate(const Sizes* sizes, int64_t bfloat, int64_t bfloat_to, double epsilon, const void* x,
                         const float* shift, const float* scale, void* to) {
    const int64_t dim = sizes->dim;
    typed(bfloat, bfloat_to, [&](auto like, auto unlike) {
        using From = decltype(like);
        using To = decltype(unlike);
        sizes->each([&](int64_t clip, int64_t first, int64_t last, int64_t) {
            const float *up = scale + clip * dim, *off = shift + clip * dim;
            for (int64_t row = first; row < last; row++) {
                const float inverse = inverse_rms<From>(x, row, dim, float(epsilon));
                for (int64_t i = 0; i < dim; i += kLanes)
                    set<To>(to, row * dim + i, at<From>(x, row * dim + i) * inverse * (1.0f + load(up + i)) + load(off + i));
            }
        });
    });
}

// the gradients of shift and scale [chunks, dim] hold zeros when it is called
extern "C" void modulate_backward(const Sizes* sizes, int64_t bfloat, int64_t bfloat_to, double epsilon, const void* x,
                                  const float* scale, const void* grad, void* grad_x, float* grad_shift, float* grad_scale) {
    const int64_t dim = sizes->dim;
    typed(bfloat, bfloat_to, [&](auto like, auto unlike) {
        using From = decltype(like);
        using To = decltype(unlike);
        sizes->each([&](int64_t clip, int64_t first, int64_t last, int64_t chunk) {
            const float* up = scale + clip * dim;
            for (int64_t row = first; row < last; row++) {
                const float inverse = inverse_rms<From>(x, row, dim, float(epsilon));
                Vec along = {};
                for (int64_t i = 0; i < dim; i += kLanes) {
                    const Vec g = at<To>(grad, row * dim + i), n = at<From>(x, row * dim + i) * inverse;
                    along += g * (1.0f + load(up + i)) * n;
                    add(grad_shift + chunk * dim + i, g);
                    add(grad_scale + chunk * dim + i, g * n);
                }
                const float mean = total(along) / float(dim);
                for (int64_t i = 0; i < dim; i += kLanes) {
                    const Vec g = at<To>(grad, row * dim + i), n = at<From>(x, row * dim + i) * inverse;
                    set<From>(grad_x, row * dim + i, inverse * (g * (1.0f + load(up + i)) - n * mean));
                }
            }
        });
    });
}

// to = x + gate * y, in float32
extern "C" void gated_sum(const Sizes* sizes, int64_t bfloat_x, int64_t bfloat_y, const void* x, const float* gate,
                          const void* y, float* to) {
    const int64_t dim = sizes->dim;
    typed(bfloat_x, bfloat_y, [&](auto like, auto unlike) {
        using Old = decltype(like);
        using New = decltype(unlike);
        sizes->each([&](int64_t clip, int64_t first, int64_t last, int64_t) {
            for (int64_t row = first; row < last; row++)
                for (int64_t i = 0, place = row * dim; i < dim; i += kLanes, place += kLanes)
                    put(to + place, at<Old>(x, place) + load(gate + clip * dim + i) * at<New>(y, place));
        });
    });
}

// the gradient of the gate [chunks, dim] holds zeros when it is called
extern "C" void gated_sum_backward(const Sizes* sizes, int64_t bfloat_y, const float* gate, const void* y,
                                   const float* grad, void* grad_y, float* grad_gate) {
    const int64_t dim = sizes->dim;
    typed(bfloat_y, [&](auto like) {
        using Element = decltype(like);
        sizes->each([&](int64_t clip, int64_t first, int64_t last, int64_t chunk) {
            for (int64_t row = first; row < last; row++)
                for (int64_t i = 0, place = row * dim; i < dim; i += kLanes, place += kLanes) {
                    const Vec g = load(grad + place);
                    set<Element>(grad_y, place, g * load(gate + clip * dim + i));
                    add(grad_gate + chunk * dim + i, g * at<Element>(y, place));
                }
        });
    });
}

// of rows [gates, values]: to = gate * sigmoid(gate) * value
extern "C" void gate_values(const Sizes* sizes, int64_t bfloat, const void* packed, void* to) {
    const int64_t dim = sizes->dim;
    typed(bfloat, [&](auto like) {
        using Element = decltype(like);
        sizes->each([&](int64_t, int64_t first, int64_t last, int64_t) {
            for (int64_t row = first; row < last; row++)
                for (int64_t i = 0; i < dim; i += kLanes) {
                    const Vec gate = at<Element>(packed, 2 * row * dim + i);
                    set<Element>(to, row * dim + i, gate * sigmoid(gate) * at<Element>(packed, (2 * row + 1) * dim + i));
                }
        });
    });
}

extern "C" void gate_values_backward(const Sizes* sizes, int64_t bfloat, const void* packed, const void* grad, void* to) {
    const int64_t dim = sizes->dim;
    typed(bfloat, [&](auto like) {
        using Element = decltype(like);
        sizes->each([&](int64_t, int64_t first, int64_t last, int64_t) {
            for (int64_t row = first; row < last; row++)
                for (int64_t i = 0; i < dim; i += kLanes) {
                    const int64_t gates = 2 * row * dim + i, values = gates + dim;
                    const Vec gate = at<Element>(packed, gates), value = at<Element>(packed, values);
                    const Vec s = sigmoid(gate), g = at<Element>(grad, row * dim + i);
                    set<Element>(to, gates, g * value * s * (1.0f + gate * (1.0f - s)));
                    set<Element>(to, values, g * gate * s);
                }
        });
    });
}
