/* The DLR C ABI: checks what callers pass, and does the rest through instance and pool. */
#include "dlr.h"

#include <string.h>

#include "checks.h"
#include "error.h"
#include "instance.h"
#include "paths.h"
#include "pool.h"

/* What a handle points to: one model, or a pipeline of them whose inputs are the memory of the
 * outputs before them. */
typedef struct {
  bool pipeline;
  int count;
  pool *pool;
  memory_release release;
  instance *stages[];
} session;

/* ---- checks ---- */

static session *opened(DLRModelHandle *handle) {
  if (handle && *handle) return *handle;
  fail("model is nullptr, create it first");
  return NULL;
}

static int null_argument(const char *function) { return fail("%s: an argument is NULL.", function); }

/* Every function begins so: a model, and nothing NULL among the rest. */
#define OPEN(handle)                         \
  session *session = opened(handle);         \
  if (!session) return -1
#define REQUIRE(condition) \
  if (!(condition)) return null_argument(__func__)

static const instance *first(const session *session) { return session->stages[0]; }

static instance *last(const session *session) { return session->stages[session->count - 1]; }

static const neoc_tensor *input_at(const session *session, int index) {
  const neoc_model_t *model = first(session)->model;
  if (index >= 0 && index < model->num_inputs) return &model->inputs[index];
  fail("Input index %d is out of range: the model has %d inputs.", index, (int)model->num_inputs);
  return NULL;
}

static const neoc_tensor *output_at(const session *session, int index) {
  const neoc_model_t *model = last(session)->model;
  if (index >= 0 && index < model->num_outputs) return &model->outputs[index];
  fail("Output index %d is out of range: the model has %d outputs.", index,
       (int)model->num_outputs);
  return NULL;
}

static const neoc_tensor *input_named(const session *session, const char *name) {
  const neoc_model_t *model = first(session)->model;
  int index = tensor_index(model->inputs, model->num_inputs, name);
  if (index >= 0) return &model->inputs[index];
  fail("%s is not a valid input name.", name);
  return NULL;
}

/* ---- load and unload ---- */

static int discard(session *session) { /* returns -1, for those who give up */
  for (int i = 0; i < session->count; i++) instance_release(session->stages[i]);
  pool_free(session->pool);
  session->release(session);
  return -1;
}

static session *session_new(int capacity) {
  memory_release release;
  session *self = memory_object(sizeof *self + (size_t)capacity * sizeof *self->stages, &release);
  if (self) {
    self->release = release;
    if ((self->pool = pool_new())) return self;
    release(self);
  }
  fail("Out of memory.");
  return NULL;
}

static instance *load_path(const char *model_path, int dev_type) {
  model_paths paths;
  if (paths_find(model_path, &paths)) return NULL;
  if (*paths.library) return instance_load(paths.library, meta_read(paths.meta), dev_type);
  fail("Unable to determine backend from path: '%s'. There is no compiled.so.", model_path);
  return NULL;
}

static int hand_out(DLRModelHandle *handle, instance *loaded) {
  if (!loaded) return -1;
  session *session = session_new(1);
  if (!session) return instance_release(loaded), -1;
  session->stages[session->count++] = loaded;
  *handle = session;
  return 0;
}

int CreateDLRModel(DLRModelHandle *handle, const char *model_path, int dev_type, int dev_id) {
  (void)dev_id;
  REQUIRE(handle && model_path);
  return hand_out(handle, load_path(model_path, dev_type));
}

int CreateDLRModelFromModelElem(DLRModelHandle *handle, const DLRModelElem *model_elems,
                                size_t model_elems_size, int dev_type, int dev_id) {
  (void)dev_id;
  REQUIRE(handle && model_elems);
  const char *library = NULL;
  metadata meta = {false, 0};
  for (size_t i = 0; i < model_elems_size; i++) {
    const DLRModelElem *element = &model_elems[i];
    if (element->type == TVM_LIB) library = element->path;
    if (element->type != NEO_METADATA) continue;
    if (element->path)
      meta = meta_read(element->path);
    else if (element->data)
      meta = meta_parse(element->data, element->data_size);
  }
  if (!library)
    return fail("Invalid model elements: TVM_LIB with the path of compiled.so is needed.");
  return hand_out(handle, instance_load(library, meta, dev_type));
}

/* Gives the outputs of stage `index - 1` to stage `index` as its inputs, for good. */
static int connect(const session *session, int index) {
  instance *from = session->stages[index - 1], *to = session->stages[index];
  int count = to->model->num_inputs;
  if (from->model->rows || to->model->rows)
    return fail("Models %d and %d: one for any number of rows cannot be part of a pipeline.",
                index - 1, index);
  if (from->model->num_outputs != count)
    return fail("Number of outputs/inputs mismatch between models %d and %d: %d and %d.",
                index - 1, index, (int)from->model->num_outputs, count);
  for (int i = 0; i < count; i++) {
    const neoc_tensor *output = &from->model->outputs[i], *input = &to->model->inputs[i];
    bool same_type = !strcmp(output->dtype, input->dtype);
    if (!same_type || !same_shape(output, input->shape, input->ndim))
      return fail("%s mismatch between output/input #%d, models %d and %d.",
                  same_type ? "Shape" : "Type", i, index - 1, index);
    instance_place(to, input, instance_data(from, output));
  }
  return 0;
}

int CreateDLRPipeline(DLRModelHandle *handle, int num_models, const char **model_paths,
                      int dev_type, int dev_id) {
  (void)dev_id;
  REQUIRE(handle && model_paths);
  if (num_models < 1) return fail("List of models is empty");
  session *session = session_new(num_models);
  if (!session) return -1;
  session->pipeline = true;
  for (int i = 0; i < num_models; i++) {
    session->stages[i] = model_paths[i] ? load_path(model_paths[i], dev_type) : NULL;
    if (!model_paths[i]) null_argument(__func__);
    if (!session->stages[i]) return discard(session);
    session->count++;
    if (i && connect(session, i)) return discard(session);
  }
  *handle = session;
  return 0;
}

int DeleteDLRModel(DLRModelHandle *handle) {
  if (!handle || !*handle) return 0; /* clients also delete what was never created */
  discard(*handle);
  *handle = NULL;
  return 0;
}

int RunDLRModel(DLRModelHandle *handle) {
  OPEN(handle);
  for (int i = 0; i < session->count; i++)
    if (instance_run(session->stages[i], session->pool)) return -1;
  return 0;
}

/* ---- inputs ---- */

int GetDLRNumInputs(DLRModelHandle *handle, int *num_inputs) {
  OPEN(handle);
  REQUIRE(num_inputs);
  *num_inputs = first(session)->model->num_inputs;
  return 0;
}

int GetDLRInputName(DLRModelHandle *handle, int index, const char **input_name) {
  OPEN(handle);
  REQUIRE(input_name);
  const neoc_tensor *input = input_at(session, index);
  if (!input) return -1;
  *input_name = input->name;
  return 0;
}

int GetDLRInputType(DLRModelHandle *handle, int index, const char **input_type) {
  OPEN(handle);
  REQUIRE(input_type);
  const neoc_tensor *input = input_at(session, index);
  if (!input) return -1;
  *input_type = input->dtype;
  return 0;
}

static int get_shape(const instance *of, const neoc_tensor *tensor, int64_t *shape) {
  if (!tensor) return -1;
  for (int i = 0; i < tensor->ndim; i++) shape[i] = instance_extent(of, tensor, i);
  return 0;
}

static int get_size_dim(const instance *of, const neoc_tensor *tensor, int64_t *size, int *dim) {
  if (!tensor) return -1;
  *size = instance_elements(of, tensor);
  *dim = tensor->ndim;
  return 0;
}

int GetDLRInputShape(DLRModelHandle *handle, int index, int64_t *shape) {
  OPEN(handle);
  REQUIRE(shape);
  return get_shape(first(session), input_at(session, index), shape);
}

int GetDLRInputSizeDim(DLRModelHandle *handle, int index, int64_t *size, int *dim) {
  OPEN(handle);
  REQUIRE(size && dim);
  return get_size_dim(first(session), input_at(session, index), size, dim);
}

static int set_input(session *session, const neoc_tensor *input, const void *data) {
  instance *model = session->stages[0];
  instance_place(model, input, NULL);
  memcpy(instance_data(model, input), data, instance_bytes(model, input));
  return 0;
}

int SetDLRInput(DLRModelHandle *handle, const char *name, const int64_t *shape, const void *input,
                int dim) {
  OPEN(handle);
  REQUIRE(name && input && (shape || !dim));
  const neoc_tensor *tensor = input_named(session, name);
  if (!tensor) return -1;
  if (dim < 0) return fail("The input %s is given with %d dimensions.", name, dim);
  if (first(session)->model->rows) return rows_set(session->stages[0], shape, input, dim);
  if (check_count("input", count_elements(shape, dim), tensor_elements(tensor))) return -1;
  return set_input(session, tensor, input);
}

int SetDLRInputTensor(DLRModelHandle *handle, const char *name, void *tensor) {
  OPEN(handle);
  REQUIRE(name && tensor);
  const neoc_tensor *input = input_named(session, name);
  if (!input) return -1;
  const DLTensor *theirs = tensor, *ours = &first(session)->tensors[input->buffer];
  bool any_rows = first(session)->model->rows;
  if (check_tensor("input", theirs, ours, any_rows ? -1 : tensor_elements(input))) return -1;
  REQUIRE(theirs->data);
  if (any_rows)
    return rows_set(session->stages[0], theirs->shape, (float *)tensor_data(theirs), theirs->ndim);
  return set_input(session, input, tensor_data(tensor));
}

int SetDLRInputTensorZeroCopy(DLRModelHandle *handle, const char *name, void *tensor) {
  OPEN(handle);
  REQUIRE(name && tensor);
  const neoc_tensor *input = input_named(session, name);
  if (!input) return -1;
  if (first(session)->model->rows)
    return fail("SetDLRInputTensorZeroCopy: the input of a model for any number of rows is copied.");
  const DLTensor *theirs = tensor, *ours = &first(session)->tensors[input->buffer];
  if (check_tensor("input", theirs, ours, tensor_elements(input))) return -1;
  if (theirs->ndim != input->ndim)
    return fail("Model expected %d dimensions, but input has %d", (int)input->ndim,
                (int)theirs->ndim);
  if (!same_shape(input, theirs->shape, theirs->ndim))
    return fail("The shape of input %s differs from the model's.", name);
  if (!theirs->data || (uintptr_t)tensor_data(theirs) % MEMORY_ALIGNMENT)
    return fail("Data must be aligned to %d bytes for SetDLRInputTensorZeroCopy.",
                MEMORY_ALIGNMENT);
  instance_place(session->stages[0], input, tensor_data(theirs));
  return 0;
}

int GetDLRInput(DLRModelHandle *handle, const char *name, void *input) {
  OPEN(handle);
  REQUIRE(name && input);
  const neoc_tensor *tensor = input_named(session, name);
  if (!tensor) return -1;
  if (instance_elements(first(session), tensor) < 0)
    return fail("The input %s is not set.", tensor->name);
  memcpy(input, instance_data(first(session), tensor), instance_bytes(first(session), tensor));
  return 0;
}

int GetDLRNumWeights(DLRModelHandle *handle, int *num_weights) {
  OPEN(handle);
  REQUIRE(num_weights);
  *num_weights = 0;
  return 0;
}

int GetDLRWeightName(DLRModelHandle *handle, int index, const char **weight_name) {
  OPEN(handle);
  REQUIRE(weight_name);
  return fail("Weight index %d is out of range: the weights are part of the model.", index);
}

/* ---- outputs ---- */

int GetDLRNumOutputs(DLRModelHandle *handle, int *num_outputs) {
  OPEN(handle);
  REQUIRE(num_outputs);
  *num_outputs = last(session)->model->num_outputs;
  return 0;
}

int GetDLROutputName(DLRModelHandle *handle, const int index, const char **name) {
  OPEN(handle);
  REQUIRE(name);
  const neoc_tensor *output = output_at(session, index);
  if (!output) return -1;
  *name = output->name;
  return 0;
}

int GetDLROutputIndex(DLRModelHandle *handle, const char *name, int *index) {
  OPEN(handle);
  REQUIRE(name && index);
  const neoc_model_t *model = last(session)->model;
  int found = tensor_index(model->outputs, model->num_outputs, name);
  if (found < 0) return fail("Couldn't find index for output node %s!", name);
  *index = found;
  return 0;
}

int GetDLROutputType(DLRModelHandle *handle, int index, const char **output_type) {
  OPEN(handle);
  REQUIRE(output_type);
  const neoc_tensor *output = output_at(session, index);
  if (!output) return -1;
  *output_type = output->dtype;
  return 0;
}

int GetDLROutputShape(DLRModelHandle *handle, int index, int64_t *shape) {
  OPEN(handle);
  REQUIRE(shape);
  return get_shape(last(session), output_at(session, index), shape);
}

int GetDLROutputSizeDim(DLRModelHandle *handle, int index, int64_t *size, int *dim) {
  OPEN(handle);
  REQUIRE(size && dim);
  return get_size_dim(last(session), output_at(session, index), size, dim);
}

/* An output with something in it. */
static const neoc_tensor *made_at(const session *session, int index) {
  const neoc_tensor *output = output_at(session, index);
  const instance *from = last(session);
  if (!output || !from->model->rows || from->rows.made == from->rows.given) return output;
  fail("The model did not run since its input was set.");
  return NULL;
}

int GetDLROutputPtr(DLRModelHandle *handle, int index, const void **out) {
  OPEN(handle);
  REQUIRE(out);
  const neoc_tensor *output = made_at(session, index);
  if (!output) return -1;
  *out = instance_data(last(session), output);
  return 0;
}

int GetDLROutput(DLRModelHandle *handle, int index, void *out) {
  OPEN(handle);
  REQUIRE(out);
  const neoc_tensor *output = made_at(session, index);
  if (!output) return -1;
  memcpy(out, instance_data(last(session), output), instance_bytes(last(session), output));
  return 0;
}

int GetDLROutputByName(DLRModelHandle *handle, const char *name, void *out) {
  int index;
  return GetDLROutputIndex(handle, name, &index) ? -1 : GetDLROutput(handle, index, out);
}

int GetDLROutputTensor(DLRModelHandle *handle, int index, void *tensor) {
  OPEN(handle);
  REQUIRE(tensor);
  const neoc_tensor *output = made_at(session, index);
  if (!output) return -1;
  const DLTensor *ours = &last(session)->outputs[index].dl_tensor;
  if (check_tensor("output", tensor, ours, instance_elements(last(session), output))) return -1;
  REQUIRE(((DLTensor *)tensor)->data);
  return GetDLROutput(handle, index, tensor_data(tensor));
}

int GetDLROutputManagedTensorPtr(DLRModelHandle *handle, int index, const void **tensor) {
  OPEN(handle);
  REQUIRE(tensor);
  if (!made_at(session, index)) return -1;
  instance_retain(last(session));
  *tensor = &last(session)->outputs[index];
  return 0;
}

/* ---- about the model and the library ---- */

const char *DLRGetLastError(void) { return last_error(); }

int GetDLRBackend(DLRModelHandle *handle, const char **name) {
  OPEN(handle);
  REQUIRE(name);
  const neoc_model_t *model = first(session)->model;
  const char *any_rows = model->fewer_columns ? "treelite" : "relayvm";
  *name = session->pipeline ? "pipeline" : model->rows ? any_rows : "tvm";
  return 0;
}

int GetDLRHasMetadata(DLRModelHandle *handle, bool *has_metadata) {
  OPEN(handle);
  REQUIRE(has_metadata);
  *has_metadata = !session->pipeline && first(session)->meta.present;
  return 0;
}

int GetDLRDeviceType(const char *model_path) {
  model_paths paths;
  REQUIRE(model_path);
  if (paths_find(model_path, &paths)) return -1;
  metadata meta = meta_read(paths.meta);
  if (!meta.present) return fail("No metadata file was found!");
  if (!meta.device_type) return fail("TargetDeviceType was not found in metadata!");
  return meta.device_type;
}

int GetDLRVersion(const char **out) {
  REQUIRE(out);
  *out = "1.10.0";
  return 0;
}

/* ---- settings ---- */

int SetDLRNumThreads(DLRModelHandle *handle, int threads) {
  OPEN(handle);
  pool_set_threads(threads);
  return 0;
}

int UseDLRCPUAffinity(DLRModelHandle *handle, int use) {
  OPEN(handle);
  pool_set_affinity(use);
  return 0;
}

int SetDLRCustomAllocatorMalloc(DLRMallocFunctionPtr custom_malloc_fn) {
  custom_memory.allocate = custom_malloc_fn;
  return 0;
}

int SetDLRCustomAllocatorFree(DLRFreeFunctionPtr custom_free_fn) {
  custom_memory.release = custom_free_fn;
  return 0;
}

int SetDLRCustomAllocatorMemalign(DLRMemalignFunctionPtr custom_memalign_fn) {
  custom_memory.align = custom_memalign_fn;
  return 0;
}
