package nnc

import android.content.res.AssetFileDescriptor
import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * A model file, compiled for this device. Use it from one thread at a time, and close it.
 *
 *     Model(context.assets.openFd("model.nnc"), cacheDirectory = context.codeCacheDir.path).use { model ->
 *         model.inputs[0].asFloatBuffer().put(pixels)
 *         model.compute()
 *         model.outputs[0].asFloatBuffer().get(scores)
 *     }
 *
 * The asset must be stored without compression: `androidResources { noCompress += "nnc" }`.
 * Throws RuntimeException, in words, where NNAPI is absent or refuses.
 */
class Model(
    file: AssetFileDescriptor,
    preference: Preference = Preference.AS_CONVERTED,
    refusesReference: Boolean = false,
    device: String? = null,
    cacheDirectory: String? = null,
) : AutoCloseable {
    /** What a driver is to favor. */
    enum class Preference(val code: Int) {
        AS_CONVERTED(-1), LOW_POWER(0), FAST_SINGLE_ANSWER(1), SUSTAINED_SPEED(2)
    }

    private var handle: Long = file.use {
        open(
            it.parcelFileDescriptor.fd, it.startOffset, it.length,
            preference.code, refusesReference, device, cacheDirectory,
        )
    }

    /** The tensors that the model takes and gives, as PyTorch has them: contiguous, in native byte order. */
    val inputs: List<ByteBuffer> = List(count(handle, false)) { index ->
        buffer(byteLength(handle, false, index)).also { setInput(handle, index, it) }
    }
    val outputs: List<ByteBuffer> = List(count(handle, true)) { index ->
        buffer(byteLength(handle, true, index)).also { setOutput(handle, index, it) }
    }

    /** Reads all inputs, and fills all outputs. */
    fun compute() {
        check(handle != 0L) { "the model is closed" }
        compute(handle)
    }

    override fun close() {
        if (handle != 0L) free(handle)
        handle = 0
    }

    private companion object {
        init {
            System.loadLibrary("nnc")
        }

        fun buffer(length: Long): ByteBuffer =
            ByteBuffer.allocateDirect(Math.toIntExact(length)).order(ByteOrder.nativeOrder())

        @JvmStatic external fun open(
            descriptor: Int, offset: Long, length: Long,
            preference: Int, refusesReference: Boolean, device: String?, cacheDirectory: String?,
        ): Long
        @JvmStatic external fun free(handle: Long)
        @JvmStatic external fun count(handle: Long, isOutput: Boolean): Int
        @JvmStatic external fun byteLength(handle: Long, isOutput: Boolean, index: Int): Long
        @JvmStatic external fun setInput(handle: Long, index: Int, buffer: ByteBuffer)
        @JvmStatic external fun setOutput(handle: Long, index: Int, buffer: ByteBuffer)
        @JvmStatic external fun compute(handle: Long)
    }
}
