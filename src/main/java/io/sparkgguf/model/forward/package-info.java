/**
 * The forward pass of a decoder, block by block, in float32 on one thread: RMS norm, rotary position, grouped-query
 * attention, SwiGLU or squared ReLU; BitNet b1.58 with its norms within a block and inputs rounded to INT8.
 *
 * <p>Configuration comes from GGUF's metadata, weights from a {@link io.sparkgguf.model.WeightSource} in slabs of rows, so
 * a block need not fit into memory. Results depend on nothing but weights and the sequence: not on the other sequences of a
 * batch, slabs, vector width or JDK. Holds no token, no text and no file. Start at {@link
 * io.sparkgguf.model.forward.Decoder}.
 */
package io.sparkgguf.model.forward;
