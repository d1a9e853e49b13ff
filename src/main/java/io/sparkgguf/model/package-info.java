/**
 * What a model is: its configuration, tensor names and transforms from Hugging Face to GGUF, tokenizer metadata.
 *
 * <p>Reads no weights and knows no file format. Start at {@link io.sparkgguf.model.Model}.
 */
package io.sparkgguf.model;
