#include "nnapi.h"

#include <dlfcn.h>

#include <new>

namespace nnc {
namespace {

constexpr int32_t kLevelByUpdates = 1000000;
constexpr int32_t kFirstApiLevel = 27;
constexpr int32_t kHighestLevel = 8;

struct Code {
    nnc_status status;
    const char *name;
    const char *words;
};

// By NNAPI's ResultCode.
constexpr Code kCodes[] = {
    {NNC_OK, "NO_ERROR", "no error"},
    {NNC_OUT_OF_MEMORY, "OUT_OF_MEMORY", "memory is lacking"},
    {NNC_REFUSED, "INCOMPLETE", "something that it needs is missing"},
    {NNC_REFUSED, "UNEXPECTED_NULL", "a pointer is null"},
    {NNC_REFUSED, "BAD_DATA", "something is not as it must be"},
    {NNC_REFUSED, "OP_FAILED", "the computation failed"},
    {NNC_REFUSED, "BAD_STATE", "it comes at the wrong time"},
    {NNC_REFUSED, "UNMAPPABLE", "memory cannot be mapped"},
    {NNC_REFUSED, "OUTPUT_INSUFFICIENT_SIZE", "an output is larger than the memory for it"},
    {NNC_DEVICE_LOST, "UNAVAILABLE_DEVICE", "the device is not available"},
    {NNC_DEADLINE_MISSED, "MISSED_DEADLINE_TRANSIENT", "the deadline was missed; it may be kept another time"},
    {NNC_DEADLINE_MISSED, "MISSED_DEADLINE_PERSISTENT", "the deadline was missed, and is so every time"},
    {NNC_DEVICE_LOST, "RESOURCE_EXHAUSTED_TRANSIENT", "the device is short of resources; trying again may help"},
    {NNC_DEVICE_LOST, "RESOURCE_EXHAUSTED_PERSISTENT", "the device does not have resources enough"},
    {NNC_DEVICE_LOST, "DEAD_OBJECT", "the driver died; compile the model again"},
};

template <typename Function>
void look_up(void *library, const char *name, Function **function) {
    *function = reinterpret_cast<Function *>(dlsym(library, name));
}

// 0 where not even the first level is complete; `missing` is then a function that is not there.
int32_t complete_level(const Nnapi &nnapi, const char **missing) {
    int32_t lacking = kHighestLevel + 1;
#define NNC_CHECK(level, result, name, parameters)                  \
    if (nnapi.name == nullptr && level < lacking) {                 \
        lacking = level;                                            \
        *missing = #name;                                           \
    }
    NNC_NNAPI_FUNCTIONS(NNC_CHECK)
#undef NNC_CHECK
    return lacking - 1;
}

}  // namespace

Nnapi::~Nnapi() {
    if (library != nullptr) dlclose(library);
}

nnc_status open_nnapi(const char *library, std::shared_ptr<const Nnapi> *nnapi) {
    const char *name = library != nullptr ? library : "libneuralnetworks.so";
    const std::shared_ptr<Nnapi> made(new (std::nothrow) Nnapi);
    if (made == nullptr) return fail(NNC_OUT_OF_MEMORY, "memory is lacking");
    made->library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (made->library == nullptr) {
        const char *reason = dlerror();
        return fail(NNC_NO_NNAPI, "%s cannot be loaded: %s", name, reason != nullptr ? reason : "no reason is told");
    }
#define NNC_LOOK_UP(level, result, name, parameters) look_up(made->library, "ANeuralNetworks" #name, &made->name);
    NNC_NNAPI_FUNCTIONS(NNC_LOOK_UP)
#undef NNC_LOOK_UP
    const char *missing = "";
    const int32_t level = complete_level(*made, &missing);
    if (level < 1) return fail(NNC_NO_NNAPI, "%s is not NNAPI: it lacks ANeuralNetworks%s", name, missing);
    // The functions of the levels 6 to 8 are not used here, so the library must tell them.
    made->feature_level = level < 5 ? level : small_level(made->_getRuntimeFeatureLevel());
    *nnapi = made;
    return NNC_OK;
}

int32_t small_level(int64_t number) {
    if (number >= kLevelByUpdates) {
        const int64_t level = number - kLevelByUpdates;
        return level < kHighestLevel ? static_cast<int32_t>(level) : kHighestLevel;
    }
    if (number < kFirstApiLevel) return 1;
    return number > 30 ? 5 : static_cast<int32_t>(number) - kFirstApiLevel + 1;
}

const char *level_words(int32_t level) {
    constexpr const char *kWords[] = {"Android 8.1", "Android 9", "Android 10", "Android 11", "Android 12"};
    return level >= 1 && level <= 5 ? kWords[level - 1] : "updates of Android 12 and later";
}

nnc_status told(int code, const char *what) {
    if (code == 0) return NNC_OK;
    constexpr int kCount = sizeof kCodes / sizeof kCodes[0];
    if (code < 0 || code >= kCount) return fail(NNC_REFUSED, "%s: NNAPI gave the unknown code %d", what, code);
    const Code &known = kCodes[code];
    return fail(known.status, "%s: NNAPI says %s, %s", what, known.name, known.words);
}

}  // namespace nnc

nnc_status nnc_nnapi_open(const char *library, nnc_nnapi **nnapi) {
    if (nnapi == nullptr) return nnc::fail(NNC_BAD_ARGUMENT, "nnc_nnapi_open: a pointer is null");
    std::shared_ptr<const nnc::Nnapi> functions;
    NNC_TRY(nnc::open_nnapi(library, &functions));
    auto *made = new (std::nothrow) nnc_nnapi{functions};
    if (made == nullptr) return nnc::fail(NNC_OUT_OF_MEMORY, "memory is lacking");
    *nnapi = made;
    return NNC_OK;
}

void nnc_nnapi_free(nnc_nnapi *nnapi) { delete nnapi; }

int32_t nnc_nnapi_feature_level(const nnc_nnapi *nnapi) {
    return nnapi != nullptr ? nnapi->functions->feature_level : 0;
}
