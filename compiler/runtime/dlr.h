/* The C API of a compiled model, compatible with Neo's DLR 1.10.0.
 *
 *     DLRModelHandle model = NULL;
 *     CreateDLRModel(&model, "folder", 1, 0);       // 1: CPU
 *     SetDLRInput(&model, "data", shape, data, dim);
 *     RunDLRModel(&model);
 *     GetDLROutput(&model, 0, out);
 *     DeleteDLRModel(&model);
 *
 * Functions return 0, or -1 and then DLRGetLastError() says why. Strings belong to the library and
 * live as long as the model. Sizes count elements. A shape buffer has `dim` entries. One handle is
 * used by one thread at a time; different handles may run in parallel.
 */
#ifndef DLR_H_
#define DLR_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define DLR_DLL __declspec(dllexport)
#else
#define DLR_DLL __attribute__((visibility("default")))
#endif

#define DLR_MAJOR 1
#define DLR_MINOR 10
#define DLR_PATCH 0
#define DLR_VERSION (DLR_MAJOR * 10000 + DLR_MINOR * 100 + DLR_PATCH)
#define DLR_MAKE_VERSION(major, minor, patch) ((major)*10000 + (minor)*100 + patch)

typedef void* DLRModelHandle;

#ifndef DLR_ALLOC_TYPEDEF
#define DLR_ALLOC_TYPEDEF
typedef void* (*DLRMallocFunctionPtr)(size_t);
typedef void (*DLRFreeFunctionPtr)(void*);
typedef void* (*DLRMemalignFunctionPtr)(size_t alignment, size_t size);
#endif

#ifndef DLR_MODEL_ELEM
#define DLR_MODEL_ELEM
enum DLRModelElemType {
  HEXAGON_LIB,
  NEO_METADATA,
  TVM_GRAPH,
  TVM_LIB,
  TVM_PARAMS,
  RELAY_EXEC,
  TF2_SAVED_MODEL
};
typedef struct ModelElem {
  const enum DLRModelElemType type;
  const char* path;
  const void* data;
  const size_t data_size;
} DLRModelElem;
#endif

/* ---- load and unload (not in two threads at once) ---- */

/* model_path: the model's folder, or a colon-separated list of folders and files.
   dev_type: 1 CPU, 2 CUDA, 4 OpenCL. */
DLR_DLL int CreateDLRModel(DLRModelHandle* handle, const char* model_path, int dev_type,
                           int dev_id);
/* Needs TVM_LIB with the path of compiled.so; takes NEO_METADATA as path or data. */
DLR_DLL int CreateDLRModelFromModelElem(DLRModelHandle* handle, const DLRModelElem* model_elems,
                                        size_t model_elems_size, int dev_type, int dev_id);
/* The outputs of each model are the inputs of the next, in order. */
DLR_DLL int CreateDLRPipeline(DLRModelHandle* handle, int num_models, const char** model_paths,
                              int dev_type, int dev_id);
/* Sets *handle to NULL; does nothing where it is so already. */
DLR_DLL int DeleteDLRModel(DLRModelHandle* handle);

/* ---- run; it returns when the outputs are there ---- */

DLR_DLL int RunDLRModel(DLRModelHandle* handle);

/* ---- inputs; they keep their data from run to run ---- */

DLR_DLL int GetDLRNumInputs(DLRModelHandle* handle, int* num_inputs);
DLR_DLL int GetDLRInputName(DLRModelHandle* handle, int index, const char** input_name);
DLR_DLL int GetDLRInputType(DLRModelHandle* handle, int index, const char** input_type);
DLR_DLL int GetDLRInputShape(DLRModelHandle* handle, int index, int64_t* shape);
DLR_DLL int GetDLRInputSizeDim(DLRModelHandle* handle, int index, int64_t* size, int* dim);
/* Copies contiguous row-major data; only the number of elements must be right. */
DLR_DLL int SetDLRInput(DLRModelHandle* handle, const char* name, const int64_t* shape,
                        const void* input, int dim);
/* The same from a DLTensor. */
DLR_DLL int SetDLRInputTensor(DLRModelHandle* handle, const char* name, void* tensor);
/* Uses the DLTensor's own memory, aligned to 128 bytes, in every run until the input is set anew. */
DLR_DLL int SetDLRInputTensorZeroCopy(DLRModelHandle* handle, const char* name, void* tensor);
DLR_DLL int GetDLRInput(DLRModelHandle* handle, const char* name, void* input);

/* Weights are part of the model: there are none to name. */
DLR_DLL int GetDLRNumWeights(DLRModelHandle* handle, int* num_weights);
DLR_DLL int GetDLRWeightName(DLRModelHandle* handle, int index, const char** weight_name);

/* ---- outputs ---- */

DLR_DLL int GetDLRNumOutputs(DLRModelHandle* handle, int* num_outputs);
DLR_DLL int GetDLROutputName(DLRModelHandle* handle, const int index, const char** name);
DLR_DLL int GetDLROutputIndex(DLRModelHandle* handle, const char* name, int* index);
DLR_DLL int GetDLROutputType(DLRModelHandle* handle, int index, const char** output_type);
DLR_DLL int GetDLROutputShape(DLRModelHandle* handle, int index, int64_t* shape);
DLR_DLL int GetDLROutputSizeDim(DLRModelHandle* handle, int index, int64_t* size, int* dim);
DLR_DLL int GetDLROutput(DLRModelHandle* handle, int index, void* out);
DLR_DLL int GetDLROutputByName(DLRModelHandle* handle, const char* name, void* out);
/* The library's own memory, until the next run. */
DLR_DLL int GetDLROutputPtr(DLRModelHandle* handle, int index, const void** out);
/* Copies into the DLTensor. */
DLR_DLL int GetDLROutputTensor(DLRModelHandle* handle, int index, void* tensor);
/* A DLManagedTensor over the library's own memory, which lives until its deleter was called. */
DLR_DLL int GetDLROutputManagedTensorPtr(DLRModelHandle* handle, int index, const void** tensor);

/* ---- about the model and the library ---- */

DLR_DLL const char* DLRGetLastError(void); /* of the calling thread; never NULL */
DLR_DLL int GetDLRBackend(DLRModelHandle* handle, const char** name);
DLR_DLL int GetDLRHasMetadata(DLRModelHandle* handle, bool* has_metadata);
/* The device type that compiled.meta asks for; -1 where it does not say. */
DLR_DLL int GetDLRDeviceType(const char* model_path);
DLR_DLL int GetDLRVersion(const char** out);

/* ---- for all models of this library, from their next run on ---- */

/* 0 decides again by itself: TVM_NUM_THREADS, else the CPUs that the process may use. */
DLR_DLL int SetDLRNumThreads(DLRModelHandle* handle, int threads);
/* 1 gives each worker thread a CPU of its own. */
DLR_DLL int UseDLRCPUAffinity(DLRModelHandle* handle, int use);
/* For models loaded afterwards; free goes with malloc and with memalign. */
DLR_DLL int SetDLRCustomAllocatorMalloc(DLRMallocFunctionPtr custom_malloc_fn);
DLR_DLL int SetDLRCustomAllocatorFree(DLRFreeFunctionPtr custom_free_fn);
DLR_DLL int SetDLRCustomAllocatorMemalign(DLRMemalignFunctionPtr custom_memalign_fn);

#ifdef __cplusplus
}
#endif

#endif
