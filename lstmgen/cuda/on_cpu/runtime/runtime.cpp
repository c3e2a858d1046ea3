// The runtime library in one translation unit: one call of the compiler, once per machine.
#include "block.cpp"
#include "checks.cpp"
#include "cluster.cpp"
#include "launch.cpp"
#include "signals.cpp"
#include "warp.cpp"
