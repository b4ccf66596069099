// Attention along time over a pattern of frames: every query against the few keys it sees, in one pass over memory.
//
// Rows of keys and values enter a ring as float32, are used by all queries that see them while they lie in the
// nearest cache, and leave; gradients of keys and values gather in rings of their own. So each tensor is read or
// written once, whatever its strides, and nothing of the size frames x frames or frames x window is ever made.
// Compiled for one head size at a time (WIDTH vectors): a row of a query stays in registers.
// No torch, no Python: a C interface with pointers, sizes and strides in elements (framefall/layers/kernel.py).

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <new>
#include <thread>
#include <vector>

#include "vectors.h"

namespace {

constexpr int kChunk = kLanes;  // queries of one sequence before its neighbour's turn
constexpr int kTile = 8;        // sequences that take turns; they lie side by side in memory

struct Task {
    int64_t bfloat, backward, threads, dim, frames, anchors, causal, offsets;
    double scale;
    int64_t sizes[4];       // rows: the last ones lie side by side
    int64_t strides[7][5];  // query, key, value, grad or out, grad_query, grad_key, grad_value; rows and frames
    const int64_t* offset;
    void* data[7];
};

// a chunk's queries and the keys they see: where these lie among a sequence's rows, anchors first, the ring behind
struct Seen {
    std::vector<int32_t> at;  // filled up to an even number a query, for `dots`
    int begins[kChunk], counts[kChunk], queries, keys;  // keys: the most that any of them sees
    struct Use {
        int32_t weight, query;
    };
    std::vector<Use> uses;  // the same the other way round: by key, the queries that see it
    std::vector<int32_t> used;  // the number of its first use, by row; one more at the end

    void find(const Task& task, int64_t first, int64_t last, int64_t ring) {
        at.clear();
        queries = int(last - first);
        keys = 0;
        for (int query = 0; query < queries; query++) {
            const int64_t frame = first + query;
            const int begin = begins[query] = int(at.size());
            const int64_t anchors = task.causal ? std::min(task.anchors, frame + 1) : task.anchors;
            for (int64_t key = 0; key < anchors; key++) at.push_back(int32_t(key));
            for (int64_t j = 0; j < task.offsets; j++) {
                const int64_t key = frame + task.offset[j];
                if (key >= task.anchors && key < task.frames) at.push_back(int32_t(task.anchors + (key & (ring - 1))));
            }
            keys = std::max(keys, counts[query] = int(at.size()) - begin);
            if (at.size() % 2) at.push_back(at[begin]);
        }
        if (task.backward) turn(size_t(task.anchors + ring));
    }

    void turn(size_t rows) {
        used.assign(rows + 1, 0);
        each([&](int32_t row, int, int) { used[row + 1]++; });
        for (size_t row = 0; row < rows; row++) used[row + 1] += used[row];
        uses.resize(used[rows]);
        each([&](int32_t row, int query, int j) { uses[used[row]++] = {int32_t(j * kLanes + query), query}; });
        for (size_t row = rows; row > 0; row--) used[row] = used[row - 1];
        used[0] = 0;
    }

    template <class Visit>
    void each(Visit visit) const {
        for (int query = 0; query < queries; query++)
            for (int j = 0; j < counts[query]; j++) visit(at[begins[query] + j], query, j);
    }

    void scale(int vectors) {
        for (auto& row : at) row *= vectors;
    }
};

template <class Element>
struct Rows {
    Element* data;
    int64_t frame;
    Element* row(int64_t number) const { return data + number * frame; }
};

template <int V, class Element>
struct Worker {
    const Task& task;
    const int64_t back, ahead, ring, rows, tile;
    Vec* scratch;  // rows of keys, values and their gradients, for each sequence of a tile
    Vec *scores, *slopes;  // of a chunk: first one row a query, then one column
    Vec q[kChunk * V], g[kChunk * V];
    Seen seen;

    Worker(const Task& given, int64_t reach_back, int64_t reach_ahead, int64_t ring_rows, int64_t side)
        : task(given), back(reach_back), ahead(reach_ahead), ring(ring_rows), rows(given.anchors + ring_rows), tile(side) {
        const int64_t most = ((task.anchors + task.offsets) / kLanes + 1) * kLanes;
        const int64_t needed = (task.backward ? 4 : 2) * tile * rows * V;
        scratch = static_cast<Vec*>(::operator new((needed + 2 * most) * sizeof(Vec), std::align_val_t(64)));
        scores = scratch + needed;
        slopes = scores + most;
    }
    ~Worker() { ::operator delete(scratch, std::align_val_t(64)); }
    Worker(const Worker&) = delete;

    Vec* part(int64_t which, int64_t slot) { return scratch + (which * tile + slot) * rows * V; }
    int64_t place(int64_t key) const { return (key < task.anchors ? key : task.anchors + (key & (ring - 1))) * V; }
    Rows<Element> tensor(int which, const int64_t* index, int64_t sequence) const {
        const int64_t* stride = task.strides[which];
        int64_t at = sequence * stride[3];
        for (int axis = 0; axis < 3; axis++) at += index[axis] * stride[axis];
        return {static_cast<Element*>(task.data[which]) + at, stride[4]};
    }

    // the sequences first ... last of the innermost axis, a chunk of frames of each in turn
    void run(const int64_t* index, int64_t first, int64_t last) {
        for (int64_t sequence = first; sequence < last; sequence++) enter(index, sequence, sequence - first, 0, task.anchors);
        for (int64_t begin = 0; begin < task.frames; begin += kChunk) {
            const int64_t end = std::min(begin + kChunk, task.frames), none = task.anchors;
            const int64_t entered = begin ? std::min(begin + ahead, task.frames) : 0;
            const int64_t left = std::max<int64_t>(0, begin - back);
            const int64_t leaving = end == task.frames ? end : std::max<int64_t>(0, end - back);
            seen.find(task, begin, end, ring);
            seen.scale(V);
            for (int64_t sequence = first; sequence < last; sequence++) {
                const int64_t slot = sequence - first;
                enter(index, sequence, slot, std::max(entered, none), std::min(end + ahead, task.frames));
                if (task.backward) {
                    descend(index, sequence, slot, begin);
                    leave(index, sequence, slot, std::max(left, none), leaving);
                } else {
                    attend(index, sequence, slot, begin);
                }
            }
        }
        if (task.backward)
            for (int64_t sequence = first; sequence < last; sequence++)
                leave(index, sequence, sequence - first, 0, task.anchors);
    }

    void enter(const int64_t* index, int64_t sequence, int64_t slot, int64_t first, int64_t last) {
        const auto key = tensor(1, index, sequence), value = tensor(2, index, sequence);
        for (int64_t frame = first; frame < last; frame++) {
            widen<V>(key.row(frame), part(0, slot) + place(frame), task.dim);
            widen<V>(value.row(frame), part(1, slot) + place(frame), task.dim);
            for (int v = 0; task.backward && v < V; v++)
                part(2, slot)[place(frame) + v] = part(3, slot)[place(frame) + v] = Vec{};
        }
    }

    void leave(const int64_t* index, int64_t sequence, int64_t slot, int64_t first, int64_t last) {
        const auto key = tensor(5, index, sequence), value = tensor(6, index, sequence);
        for (int64_t frame = first; frame < last; frame++) {
            narrow<V>(part(2, slot) + place(frame), key.row(frame), task.dim);
            narrow<V>(part(3, slot) + place(frame), value.row(frame), task.dim);
        }
    }

    // products of the chunk's rows with those they see, one column a query
#if WIDTH > 1  // inlined it is most of what is compiled; of one vector it is, for its gradients round as they always did
    __attribute__((noinline))
#endif
    void score(const Vec* x, const Vec* rows_seen, Vec* to, float other) {
        for (int first = 0; first < seen.keys; first += kLanes) {
            for (int query = 0; query < seen.queries; query++)
                to[first + query] = dots<V>(x + query * V, rows_seen, seen.at.data() + seen.begins[query] + first,
                                            seen.counts[query] - first, other);
            for (int query = seen.queries; query < kChunk; query++) to[first + query] = Vec{};
            transpose(to + first);
        }
    }

    void attend(const int64_t* index, int64_t sequence, int64_t slot, int64_t begin) {
        const auto query = tensor(0, index, sequence), out = tensor(3, index, sequence);
        const float* weights = reinterpret_cast<const float*>(scores);
        for (int i = 0; i < seen.queries; i++) {
            widen<V>(query.row(begin + i), q + i * V, task.dim);
            for (int v = 0; v < V; v++) q[i * V + v] *= float(task.scale);
        }
        score(q, part(0, slot), scores, -INFINITY);
        softmax(scores, seen.keys);
        for (int i = 0; i < seen.queries; i++) {
            Vec mixed[V];
            mix<V>(weights + i, part(1, slot), seen.at.data() + seen.begins[i], seen.counts[i], mixed);
            narrow<V>(mixed, out.row(begin + i), task.dim);
        }
    }

    // with p the weights and dp_j = grad . v_j: ds = p (dp - sum p dp) is the slope of the scores
    void descend(const int64_t* index, int64_t sequence, int64_t slot, int64_t begin) {
        const auto query = tensor(0, index, sequence), grad = tensor(3, index, sequence);
        const auto grad_query = tensor(4, index, sequence);
        const float *weights = reinterpret_cast<const float*>(scores), *slope = reinterpret_cast<const float*>(slopes);
        for (int i = 0; i < seen.queries; i++) {
            widen<V>(query.row(begin + i), q + i * V, task.dim);
            widen<V>(grad.row(begin + i), g + i * V, task.dim);
            for (int v = 0; v < V; v++) q[i * V + v] *= float(task.scale);
        }
        score(q, part(0, slot), scores, -INFINITY);
        softmax(scores, seen.keys);
        score(g, part(1, slot), slopes, 0.0f);
        Vec mean = {};
        for (int j = 0; j < seen.keys; j++) mean += scores[j] * slopes[j];
        for (int j = 0; j < seen.keys; j++) slopes[j] = scores[j] * (slopes[j] - mean);
        for (int i = 0; i < seen.queries; i++) {
            Vec mixed[V];
            mix<V>(slope + i, part(0, slot), seen.at.data() + seen.begins[i], seen.counts[i], mixed);
            for (int v = 0; v < V; v++) mixed[v] *= float(task.scale);
            narrow<V>(mixed, grad_query.row(begin + i), task.dim);
        }
        Vec *keys = part(2, slot), *values = part(3, slot);
        for (int64_t row = 0; row < rows; row++) {
            if (seen.used[row] == seen.used[row + 1]) continue;
            Vec key[V], value[V];
            for (int v = 0; v < V; v++) key[v] = keys[row * V + v], value[v] = values[row * V + v];
            for (int use = seen.used[row]; use < seen.used[row + 1]; use++) {
                const auto [weight, i] = seen.uses[use];
                const Vec share = splat(weights[weight]), steep = splat(slope[weight]);
                for (int v = 0; v < V; v++) {
                    key[v] += steep * q[i * V + v];
                    value[v] += share * g[i * V + v];
                }
            }
            for (int v = 0; v < V; v++) keys[row * V + v] = key[v], values[row * V + v] = value[v];
        }
    }
};

template <int V, class Element>
int run(const Task& task) {
    int64_t back = 0, ahead = 0;
    for (int64_t j = 0; j < task.offsets; j++) {
        back = std::max(back, -task.offset[j]);
        ahead = std::max(ahead, task.offset[j]);
    }
    back = std::min(back, task.frames - 1);
    ahead = std::min(ahead, task.frames - 1);
    int64_t ring = 1;
    while (ring < std::min(task.frames, back + ahead + kChunk)) ring *= 2;
    const int64_t side = std::min<int64_t>(kTile, task.sizes[3]);
    const int64_t tiles = (task.sizes[3] + side - 1) / side;
    const int64_t jobs = task.sizes[0] * task.sizes[1] * task.sizes[2] * tiles;
    std::atomic<int64_t> next{0};
    std::atomic<bool> failed{false};
    const auto work = [&] {
        try {
            Worker<V, Element> worker(task, back, ahead, ring, side);
            for (int64_t job; (job = next++) < jobs;) {
                const int64_t outer = job / tiles, first = (job % tiles) * side;
                const int64_t index[3] = {outer / (task.sizes[2] * task.sizes[1]), outer / task.sizes[2] % task.sizes[1],
                                          outer % task.sizes[2]};
                worker.run(index, first, std::min(first + side, task.sizes[3]));
            }
        } catch (...) {  // no memory
            failed = true;
        }
    };
    std::vector<std::thread> others;
    try {
        for (int64_t i = 1; i < std::min(task.threads, jobs); i++) others.emplace_back(work);
    } catch (...) {  // no more threads: the ones there are do it
    }
    work();
    for (auto& other : others) other.join();
    return failed ? 2 : 0;
}

}  // namespace

// 0: done; otherwise nothing of use was written, and the caller has another way
extern "C" int window_attention(const Task* task) {
    if ((task->dim + kLanes - 1) / kLanes != WIDTH) return 1;
    return task->bfloat ? run<WIDTH, uint16_t>(*task) : run<WIDTH, float>(*task);
}
