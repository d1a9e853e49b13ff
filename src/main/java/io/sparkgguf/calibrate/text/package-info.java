/**
 * Text, chats and token ids, as sequences of tokens that a model is run on.
 *
 * <p>Reads plain text, JSON lines ({@code text}, or {@code messages} through the model's chat template), and token ids
 * (int32 files, safetensors) from any storage; tokenizes with the model's own tokenizer; packs by a documented, seeded
 * rule or in llama.cpp's way. Knows no weights and runs no model.
 *
 * <p>Start at {@link io.sparkgguf.calibrate.text.CalibrationText}; what comes out is {@link
 * io.sparkgguf.calibrate.text.TokenSequences}.
 */
package io.sparkgguf.calibrate.text;
