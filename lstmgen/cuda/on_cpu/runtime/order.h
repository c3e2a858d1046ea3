// The orders in which threads and blocks run.
#pragma once
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "fiber.h"

namespace cuda_on_cpu {

// starve: one warp (or block) runs as far as it can before the next is looked at.
enum class Order : unsigned { forward, reverse, shuffle, starve };

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {  // SplitMix64
    uint64_t z = state_ += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  unsigned below(uint64_t bound) { return static_cast<unsigned>(next() % bound); }

 private:
  uint64_t state_;
};

// The threads of a block in the order in which they start.
inline std::vector<ThreadSlot> thread_order(Order order, bool backward, Random& random,
                                            dim3 block) {
  const unsigned count = block.x * block.y * block.z;
  std::vector<ThreadSlot> slots(count);
  for (unsigned i = 0; i < count; ++i)
    slots[i] = {uint3{i % block.x, i / block.x % block.y, i / (block.x * block.y)}, i};
  if (order == Order::reverse || (order == Order::starve && backward))
    for (unsigned i = 0; i < count / 2; ++i) std::swap(slots[i], slots[count - 1 - i]);
  if (order == Order::shuffle)
    for (unsigned i = count; i > 1; --i) std::swap(slots[i - 1], slots[random.below(i)]);
  return slots;
}

// A permutation of the blocks (or clusters) without a list of them: i -> (a * i + b) mod n.
class BlockOrder {
 public:
  BlockOrder(Order order, bool backward, Random& random, uint64_t count) : count_(count) {
    if (count < 2) return;
    if (order == Order::reverse || (order == Order::starve && backward)) {
      step_ = count - 1;
      offset_ = count - 1;
    } else if (order == Order::shuffle) {
      do step_ = 1 + random.next() % (count - 1);
      while (std::gcd(step_, count) != 1);
      offset_ = random.next() % count;
    }
  }
  uint64_t operator()(uint64_t i) const { return (step_ * i + offset_) % count_; }

 private:
  uint64_t count_, step_ = 1, offset_ = 0;
};

// Fibers that can go on. Those that spin come after all others, in turn.
class ReadyQueue {
 public:
  void reset(Order order, bool backward) {
    order_ = order;
    backward_ = backward;
    for (auto& list : lists_) list.clear();
    spinning_.clear();
    size_ = 0;
  }
  void push(Fiber* fiber) {
    if (fiber->spinning) {
      spinning_.push(fiber);
    } else {
      lists_[rank(fiber->linear)].push(fiber);
      ++size_;
    }
  }
  size_t size() const { return size_; }
  size_t spinning() const { return spinning_.size(); }
  // Whether a thread that has not started comes before every ready one.
  bool comes_first(unsigned linear) const {
    if (size_ == 0) return true;
    const unsigned own = rank(linear);
    for (unsigned i = 0; i < own; ++i)
      if (lists_[i].size() != 0) return false;
    return true;
  }
  Fiber* pop(Random& random) {
    for (auto& list : lists_)
      if (list.size() != 0) {
        --size_;
        return order_ == Order::shuffle ? list.pop_at(random.below(list.size())) : list.pop();
      }
    return nullptr;
  }
  Fiber* pop_spinning() { return spinning_.size() != 0 ? spinning_.pop() : nullptr; }

 private:
  class List {
   public:
    void push(Fiber* fiber) { fibers_.push_back(fiber); }
    size_t size() const { return fibers_.size() - head_; }
    void clear() { fibers_.clear(), head_ = 0; }
    Fiber* pop() {
      Fiber* fiber = fibers_[head_++];
      if (head_ == fibers_.size()) clear();
      else if (head_ >= 1024) {
        fibers_.erase(fibers_.begin(), fibers_.begin() + static_cast<long>(head_));
        head_ = 0;
      }
      return fiber;
    }
    Fiber* pop_at(size_t i) {
      std::swap(fibers_[head_ + i], fibers_[head_]);
      return pop();
    }

   private:
    std::vector<Fiber*> fibers_;
    size_t head_ = 0;
  };

  unsigned rank(unsigned linear) const {
    if (order_ != Order::starve) return 0;
    return backward_ ? 31 - linear / 32 : linear / 32;
  }

  Order order_ = Order::forward;
  bool backward_ = false;
  List lists_[32], spinning_;
  size_t size_ = 0;
};

}  // namespace cuda_on_cpu
