/* abi_test AFFINE TIMES: walks through the whole C ABI on two artifacts, for the address and
 * undefined-behaviour sanitizers. Linked with the runtime's sources; built with -DCOUNT and
 * --wrap it also counts the runtime's allocations. Exits 0 if all holds. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dlr.h"
#include "tensor.h"

#define CHECK(condition) ((condition) ? (void)0 : broken(__LINE__, #condition))
#define OK(call) CHECK((call) == 0)
#define FAILS(call, text) CHECK((call) == -1 && strstr(DLRGetLastError(), text))

static void broken(int line, const char *condition) {
  printf("line %d: %s (%s)\n", line, condition, DLRGetLastError());
  exit(1);
}

static int allocations;

#ifdef COUNT
void *__real_malloc(size_t);
void *__wrap_malloc(size_t);
int __real_posix_memalign(void **, size_t, size_t);
int __wrap_posix_memalign(void **, size_t, size_t);
void *__wrap_malloc(size_t bytes) {
  __atomic_fetch_add(&allocations, 1, __ATOMIC_SEQ_CST);
  return __real_malloc(bytes);
}
int __wrap_posix_memalign(void **out, size_t alignment, size_t bytes) {
  __atomic_fetch_add(&allocations, 1, __ATOMIC_SEQ_CST);
  return __real_posix_memalign(out, alignment, bytes);
}
#endif

static const int64_t matrix[] = {2, 3}, flat[] = {6}, four[] = {4};
static float x[] = {1, 2, 3, 4, 5, 6};
static int32_t y[] = {1, 2, 3, 4};

static void check_scaled(const float *scaled, const float *from) {
  for (int i = 0; i < 6; i++) CHECK(scaled[i] == 2 * from[i] + (float)i);
}

static DLRModelHandle open_model(const char *folder) {
  DLRModelHandle model = NULL;
  OK(CreateDLRModel(&model, folder, 1, 0));
  OK(SetDLRInput(&model, "x", flat, x, 1)); /* only the number of elements counts */
  OK(SetDLRInput(&model, "y", four, y, 1));
  return model;
}

static void check_queries(DLRModelHandle *model) {
  const char *text;
  int64_t shape[2], size;
  int count, dim;
  bool has;
  OK(GetDLRNumInputs(model, &count)), CHECK(count == 2);
  OK(GetDLRNumOutputs(model, &count)), CHECK(count == 2);
  OK(GetDLRNumWeights(model, &count)), CHECK(count == 0);
  OK(GetDLRInputName(model, 1, &text)), CHECK(!strcmp(text, "y"));
  OK(GetDLRInputType(model, 1, &text)), CHECK(!strcmp(text, "int32"));
  OK(GetDLRInputShape(model, 0, shape)), CHECK(shape[0] == 2 && shape[1] == 3);
  OK(GetDLRInputSizeDim(model, 0, &size, &dim)), CHECK(size == 6 && dim == 2);
  OK(GetDLROutputName(model, 0, &text)), CHECK(!strcmp(text, "scaled"));
  OK(GetDLROutputType(model, 0, &text)), CHECK(!strcmp(text, "float32"));
  OK(GetDLROutputShape(model, 0, shape)), CHECK(shape[0] == 2 && shape[1] == 3);
  OK(GetDLROutputShape(model, 1, shape));
  OK(GetDLROutputSizeDim(model, 1, &size, &dim)), CHECK(size == 1 && dim == 0);
  OK(GetDLROutputIndex(model, "total", &count)), CHECK(count == 1);
  OK(GetDLRBackend(model, &text)), CHECK(!strcmp(text, "tvm"));
  OK(GetDLRVersion(&text)), CHECK(!strcmp(text, "1.10.0"));
  OK(GetDLRHasMetadata(model, &has)), CHECK(has);
}

static void check_refusals(DLRModelHandle *model) {
  DLRModelHandle none = NULL;
  const char *text;
  int64_t size, wild[] = {-2, -2}, huge[] = {INT64_MAX, INT64_MAX};
  int number;
  float out[6];
  FAILS(RunDLRModel(&none), "model is nullptr, create it first");
  FAILS(RunDLRModel(NULL), "model is nullptr");
  OK(DeleteDLRModel(&none));
  OK(DeleteDLRModel(NULL));
  FAILS(GetDLRNumInputs(model, NULL), "GetDLRNumInputs: an argument is NULL.");
  FAILS(GetDLRInputName(model, 2, &text), "Input index 2 is out of range: the model has 2 inputs.");
  FAILS(GetDLRInputType(model, -1, &text), "Input index -1");
  FAILS(GetDLROutputName(model, 2, &text), "Output index 2");
  FAILS(GetDLROutputPtr(model, 9, (const void **)&text), "Output index 9");
  FAILS(GetDLROutput(model, -1, out), "Output index -1");
  FAILS(GetDLROutputShape(model, 2, &size), "Output index 2");
  FAILS(GetDLROutputManagedTensorPtr(model, 2, (const void **)&text), "Output index 2");
  FAILS(GetDLRWeightName(model, 0, &text), "Weight index 0 is out of range");
  FAILS(GetDLROutputIndex(model, "no", &number), "Couldn't find index for output node no!");
  FAILS(GetDLROutputByName(model, "no", out), "Couldn't find index");
  FAILS(SetDLRInput(model, "n\xc3\xa9", matrix, x, 2), "n?? is not a valid input name.");
  FAILS(SetDLRInput(model, "x", matrix, NULL, 2), "SetDLRInput: an argument is NULL.");
  FAILS(SetDLRInput(model, "x", four, x, 1),
        "Mismatch found in input data size. Value read: 4, Expected: 6");
  FAILS(SetDLRInput(model, "y", wild, y, 2), "Mismatch found in input data size");
  FAILS(SetDLRInput(model, "y", huge, y, 2), "Mismatch found in input data size");
  FAILS(SetDLRInput(model, "y", four, y, -1), "-1 dimensions");
  FAILS(GetDLRInput(model, "no", out), "no is not a valid input name.");
}

static DLTensor tensor_of(float *data, const int64_t *shape, int ndim) {
  return (DLTensor){.data = data,
                    .device = {DEVICE_CPU, 0},
                    .ndim = ndim,
                    .dtype = {2, 32, 1},
                    .shape = (int64_t *)(uintptr_t)shape};
}

static void check_tensors(DLRModelHandle *model) {
  static _Alignas(128) float theirs[8] = {6, 5, 4, 3, 2, 1};
  float out[6], back[6];
  const float *scaled;
  DLTensor tensor = tensor_of(theirs, matrix, 2), result = tensor_of(out, matrix, 2);
  OK(SetDLRInputTensorZeroCopy(model, "x", &tensor));
  OK(RunDLRModel(model));
  OK(GetDLROutputTensor(model, 0, &result));
  check_scaled(out, theirs);
  theirs[0] = 10; /* seen without another call */
  OK(RunDLRModel(model));
  OK(GetDLROutputPtr(model, 0, (const void **)&scaled));
  check_scaled(scaled, theirs);
  OK(GetDLRInput(model, "x", back));
  CHECK(!memcmp(back, theirs, sizeof back));
  OK(SetDLRInputTensor(model, "x", &result)); /* a copy: from now on in the arena again */
  memset(theirs, 0, sizeof theirs);
  OK(RunDLRModel(model));
  check_scaled(scaled, out);

  DLTensor wrong = tensor;
  wrong.data = theirs + 1;
  FAILS(SetDLRInputTensorZeroCopy(model, "x", &wrong), "aligned to 128 bytes");
  wrong = tensor_of(theirs, flat, 1);
  FAILS(SetDLRInputTensorZeroCopy(model, "x", &wrong), "Model expected 2 dimensions, but input has 1");
  int64_t turned[] = {3, 2}, strides[] = {1, 2};
  wrong = tensor_of(theirs, turned, 2);
  FAILS(SetDLRInputTensorZeroCopy(model, "x", &wrong), "shape of input x differs");
  wrong = tensor;
  wrong.strides = strides;
  FAILS(SetDLRInputTensor(model, "x", &wrong), "contiguous");
  wrong = tensor;
  wrong.dtype.bits = 64;
  FAILS(SetDLRInputTensor(model, "x", &wrong), "type code 2 with 64 bits");
  wrong = tensor;
  wrong.device.type = DEVICE_GPU;
  FAILS(GetDLROutputTensor(model, 0, &wrong), "must be in CPU memory");
  wrong = tensor_of(NULL, matrix, 2);
  FAILS(SetDLRInputTensor(model, "x", &wrong), "an argument is NULL");
  OK(SetDLRInput(model, "x", matrix, x, 2));
}

static void check_errors(DLRModelHandle *model) {
  for (int i = 0; i < 6; i++) { /* in whichever thread the task is */
    float bad[6] = {0};
    bad[i] = 0.0f / 0.0f;
    OK(SetDLRInput(model, "x", matrix, bad, 2));
    FAILS(RunDLRModel(model), "Kernel affine failed: ValueError: an element of x is not a number");
  }
  OK(SetDLRInput(model, "x", matrix, x, 2));
  int32_t bad[] = {-1, 0, 0, 0};
  OK(SetDLRInput(model, "y", four, bad, 1));
  FAILS(RunDLRModel(model), "Kernel total failed: ValueError: the total is not a number");
  OK(SetDLRInput(model, "y", four, y, 1));
  OK(RunDLRModel(model));
}

static void check_managed(const char *folder) {
  DLRModelHandle model = open_model(folder);
  DLManagedTensor *managed, *again;
  OK(RunDLRModel(&model));
  OK(GetDLROutputManagedTensorPtr(&model, 0, (const void **)&managed));
  OK(GetDLROutputManagedTensorPtr(&model, 0, (const void **)&again));
  again->deleter(again);
  OK(DeleteDLRModel(&model));
  CHECK(!model && managed->dl_tensor.ndim == 2 && managed->dl_tensor.shape[1] == 3);
  check_scaled(managed->dl_tensor.data, x);
  managed->deleter(managed);
}

static void check_elements(const char *folder) {
  char library[4096];
  const char meta[] = "{\"Requirements\": {\"TargetDeviceType\": \"gpu\"}} and no NUL here";
  snprintf(library, sizeof library, "%s/compiled.so", folder);
  DLRModelHandle model = NULL;
  const DLRModelElem alone[] = {{TVM_LIB, library, NULL, 0}};
  const DLRModelElem both[] = {{NEO_METADATA, NULL, meta, 45}, {TVM_LIB, library, NULL, 0}};
  OK(CreateDLRModelFromModelElem(&model, alone, 1, 1, 0));
  bool has;
  OK(GetDLRHasMetadata(&model, &has)), CHECK(!has);
  OK(DeleteDLRModel(&model));
  FAILS(CreateDLRModelFromModelElem(&model, both, 2, 1, 0),
        "Compiled model requires device type \"gpu\" but user gave \"cpu\".");
  FAILS(CreateDLRModelFromModelElem(&model, both, 2, 2, 0), "on the CPU");
  FAILS(CreateDLRModelFromModelElem(&model, both, 1, 1, 0), "TVM_LIB");
}

static void check_pipeline(const char *affine, const char *times) {
  const char *paths[] = {affine, times}, *turned[] = {times, affine}, *text;
  DLRModelHandle pipeline = NULL;
  float product[6];
  OK(CreateDLRPipeline(&pipeline, 2, paths, 1, 0));
  OK(GetDLRBackend(&pipeline, &text)), CHECK(!strcmp(text, "pipeline"));
  OK(GetDLRInputName(&pipeline, 0, &text)), CHECK(!strcmp(text, "x"));
  OK(GetDLROutputName(&pipeline, 0, &text)), CHECK(!strcmp(text, "product"));
  for (int run = 1; run < 4; run++) {
    float scaled_x[6];
    for (int i = 0; i < 6; i++) scaled_x[i] = x[i] * (float)run;
    OK(SetDLRInput(&pipeline, "x", matrix, scaled_x, 2));
    OK(SetDLRInput(&pipeline, "y", four, y, 1));
    OK(RunDLRModel(&pipeline));
    OK(GetDLROutputByName(&pipeline, "product", product));
    for (int i = 0; i < 6; i++) CHECK(product[i] == 10 * (2 * scaled_x[i] + (float)i));
  }
  OK(DeleteDLRModel(&pipeline));
  FAILS(CreateDLRPipeline(&pipeline, 2, turned, 1, 0), "Number of outputs/inputs mismatch");
  FAILS(CreateDLRPipeline(&pipeline, 0, paths, 1, 0), "List of models is empty");
  CHECK(!pipeline);
}

static int blocks, objects;

static void *count_malloc(size_t bytes) { return objects++, malloc(bytes); }

static void *count_memalign(size_t alignment, size_t bytes) {
  blocks++;
  return aligned_alloc(alignment, bytes);
}

static void count_free(void *data) { blocks--, free(data); }

static void check_allocator(const char *folder) {
  OK(SetDLRCustomAllocatorMalloc(count_malloc));
  OK(SetDLRCustomAllocatorMemalign(count_memalign));
  OK(SetDLRCustomAllocatorFree(count_free));
  DLRModelHandle model = open_model(folder);
  OK(SetDLRCustomAllocatorMalloc(NULL));
  OK(SetDLRCustomAllocatorMemalign(NULL));
  OK(SetDLRCustomAllocatorFree(NULL));
  CHECK(blocks == 4 && objects == 2);
  float scaled[6];
  OK(RunDLRModel(&model));
  OK(GetDLROutput(&model, 0, scaled));
  check_scaled(scaled, x);
  OK(DeleteDLRModel(&model));
  CHECK(blocks == -2); /* free takes both kinds */
}

static void *run_often(void *folder) {
  DLRModelHandle model = open_model(folder);
  float mine[6], scaled[6];
  for (int run = 0; run < 300; run++) {
    for (int i = 0; i < 6; i++) mine[i] = (float)(run + i);
    OK(SetDLRInput(&model, "x", matrix, mine, 2));
    OK(RunDLRModel(&model));
    OK(GetDLROutput(&model, 0, scaled));
    check_scaled(scaled, mine);
  }
  return model;
}

static void check_two_threads(char *folder) {
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, run_often, folder);
  for (int i = 0; i < 2; i++) {
    DLRModelHandle model;
    pthread_join(threads[i], &model);
    OK(DeleteDLRModel(&model));
  }
}

/* A lane allocates its scratch memory when it first works, which on a busy machine may be late:
 * others do its share until the system lets it run. After that no run allocates. */
static void check_no_allocation(DLRModelHandle *model) {
  for (int threads = 1; threads < 4; threads++) {
    OK(SetDLRNumThreads(model, threads));
    int before, quiet = 0;
    for (int block = 0; block < 100 && quiet < 3; block++) {
      before = allocations;
      for (int run = 0; run < 50; run++) OK(RunDLRModel(model));
      quiet = allocations == before ? quiet + 1 : 0;
    }
    CHECK(quiet == 3);
  }
}

int main(int argc, char **argv) {
  CHECK(argc == 3 && DLRGetLastError() && !*DLRGetLastError());
  DLRModelHandle model = open_model(argv[1]);
  check_queries(&model);
  check_refusals(&model);
  for (int threads = 1; threads < 4; threads++) {
    OK(SetDLRNumThreads(&model, threads));
    OK(UseDLRCPUAffinity(&model, threads % 2));
    check_tensors(&model);
    check_errors(&model);
  }
  check_no_allocation(&model);
  check_managed(argv[1]);
  check_elements(argv[1]);
  check_pipeline(argv[1], argv[2]);
  check_allocator(argv[1]);
  check_two_threads(argv[1]);
  OK(DeleteDLRModel(&model));
  FAILS(RunDLRModel(&model), "model is nullptr");
  return 0;
}
