// assert in a kernel ends the launch with an error, never the process.
#undef assert
#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
#define assert(condition) \
  ((condition) ? (void)0 : cuda_on_cpu_fail("assertion failed: " #condition, __LINE__))
#endif
