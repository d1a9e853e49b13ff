package io.sparkgguf.model.tokenizer;

/** What a token is to llama.cpp; the codes are those of {@code tokenizer.ggml.token_type} and of tokenizer.model. */
enum TokenType {
    NORMAL(1),
    UNKNOWN(2),
    CONTROL(3),
    USER_DEFINED(4),
    UNUSED(5),
    BYTE(6);

    private final int code;

    TokenType(int code) {
        this.code = code;
    }

    int code() {
        return code;
    }
}
