// What nnc.Model of Kotlin calls (java/nnc/Model.kt). Errors become java.lang.RuntimeException with the runtime's words.

#include <jni.h>

#include <memory>

#include "nnc.h"

namespace {

// Everything that one object of Kotlin's owns.
struct Session {
    nnc_nnapi *nnapi = nullptr;
    nnc_model *model = nullptr;
    nnc_program *program = nullptr;
    nnc_run *run = nullptr;

    ~Session() {
        nnc_run_free(run);
        nnc_program_free(program);
        nnc_model_free(model);
        nnc_nnapi_free(nnapi);
    }
};

bool holds(JNIEnv *env, nnc_status status) {
    if (status == NNC_OK) return true;
    const jclass kind = env->FindClass("java/lang/RuntimeException");
    if (kind != nullptr) env->ThrowNew(kind, nnc_last_error());
    return false;
}

Session *session_of(jlong handle) { return reinterpret_cast<Session *>(handle); }

// A direct buffer of Java's, whose bytes stay where they are.
struct Buffer {
    void *data;
    size_t length;

    Buffer(JNIEnv *env, jobject buffer)
        : data(env->GetDirectBufferAddress(buffer)),
          length(data != nullptr ? static_cast<size_t>(env->GetDirectBufferCapacity(buffer)) : 0) {}
};

class Text {
  public:
    Text(JNIEnv *env, jstring text)
        : env_(env), text_(text), words_(text != nullptr ? env->GetStringUTFChars(text, nullptr) : nullptr) {}
    ~Text() {
        if (words_ != nullptr) env_->ReleaseStringUTFChars(text_, words_);
    }
    Text(const Text &) = delete;
    Text &operator=(const Text &) = delete;

    const char *get() const { return words_; }

  private:
    JNIEnv *const env_;
    const jstring text_;
    const char *const words_;
};

}  // namespace

extern "C" {

JNIEXPORT jlong JNICALL Java_nnc_Model_open(JNIEnv *env, jclass, jint descriptor, jlong offset, jlong length,
                                            jint preference, jboolean refuses_reference, jstring device,
                                            jstring cache) {
    auto session = std::make_unique<Session>();
    const Text device_name(env, device);
    const Text cache_directory(env, cache);
    nnc_options options = nnc_default_options();
    options.preference = static_cast<nnc_preference>(preference);
    options.refuses_reference = refuses_reference == JNI_TRUE;
    options.device_name = device_name.get();
    options.cache_directory = cache_directory.get();
    if (!holds(env, nnc_nnapi_open(nullptr, &session->nnapi)) ||
        !holds(env, nnc_model_open_fd(descriptor, offset, length, &session->model)) ||
        !holds(env, nnc_program_create(session->nnapi, session->model, &options, &session->program)) ||
        !holds(env, nnc_run_create(session->program, NNC_RUN_BURST, &session->run))) {
        return 0;
    }
    return reinterpret_cast<jlong>(session.release());
}

JNIEXPORT void JNICALL Java_nnc_Model_free(JNIEnv *, jclass, jlong handle) { delete session_of(handle); }

JNIEXPORT jint JNICALL Java_nnc_Model_count(JNIEnv *, jclass, jlong handle, jboolean is_output) {
    const nnc_model *model = session_of(handle)->model;
    return static_cast<jint>(is_output == JNI_TRUE ? nnc_model_output_count(model) : nnc_model_input_count(model));
}

JNIEXPORT jlong JNICALL Java_nnc_Model_byteLength(JNIEnv *env, jclass, jlong handle, jboolean is_output, jint index) {
    const nnc_model *model = session_of(handle)->model;
    nnc_tensor tensor{};
    const auto place = static_cast<uint32_t>(index);
    const bool is_there = holds(env, is_output == JNI_TRUE ? nnc_model_output(model, place, &tensor)
                                                           : nnc_model_input(model, place, &tensor));
    return is_there ? static_cast<jlong>(tensor.byte_length) : 0;
}

JNIEXPORT void JNICALL Java_nnc_Model_setInput(JNIEnv *env, jclass, jlong handle, jint index, jobject buffer) {
    const Buffer given(env, buffer);
    holds(env, nnc_run_set_input(session_of(handle)->run, static_cast<uint32_t>(index), given.data, given.length,
                                 NNC_ORDER_PYTORCH));
}

JNIEXPORT void JNICALL Java_nnc_Model_setOutput(JNIEnv *env, jclass, jlong handle, jint index, jobject buffer) {
    const Buffer given(env, buffer);
    holds(env, nnc_run_set_output(session_of(handle)->run, static_cast<uint32_t>(index), given.data, given.length,
                                  NNC_ORDER_PYTORCH));
}

JNIEXPORT void JNICALL Java_nnc_Model_compute(JNIEnv *env, jclass, jlong handle) {
    holds(env, nnc_run_compute(session_of(handle)->run));
}

}  // extern "C"
