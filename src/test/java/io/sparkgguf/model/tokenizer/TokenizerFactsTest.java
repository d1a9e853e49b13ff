package io.sparkgguf.model.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataValue;
import java.util.Collections;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokenizerFactsTest {
    private static Metadata metadata(String model, String pre, int tokens) {
        Metadata metadata = new Metadata().putString("tokenizer.ggml.model", model);
        if (pre != null) {
            metadata.putString("tokenizer.ggml.pre", pre);
        }
        return metadata.putStrings("tokenizer.ggml.tokens", Collections.nCopies(tokens, "t"));
    }

    @ParameterizedTest
    @CsvSource({
        "llama, , 1, true, false",
        "gpt2, llama-bpe, 11, true, false",
        "gpt2, tekken, 11, true, false",
        "gpt2, qwen2, 11, false, false",
        "gpt2, , 11, false, false",
        "bert, , 101, true, false",
        "t5, , -1, false, true",
        "rwkv, , -1, false, false"
    })
    void whatAFileDoesNotSayIsAsLlamaCppHasIt(String model, String pre, int bos, boolean addsBos, boolean addsEos) {
        TokenizerFacts facts = TokenizerFacts.of(metadata(model, pre, 200));
        assertEquals(200, facts.vocabulary());
        assertEquals(bos < 0 ? OptionalInt.empty() : OptionalInt.of(bos), facts.bos());
        assertEquals(addsBos, facts.addsBos());
        assertEquals(addsEos, facts.addsEos());
    }

    @Test
    void whatAFileSaysCounts() {
        Metadata metadata = metadata("llama", null, 10)
                .putU32("tokenizer.ggml.bos_token_id", 7)
                .putU32("tokenizer.ggml.eos_token_id", 12) // no token has it: the default counts
                .putU32("tokenizer.ggml.padding_token_id", 3)
                .put("tokenizer.ggml.add_bos_token", new MetadataValue.Bool(false))
                .put("tokenizer.ggml.add_eos_token", new MetadataValue.Bool(true));
        assertEquals(
                new TokenizerFacts(10, OptionalInt.of(7), OptionalInt.of(2), OptionalInt.of(3), false, true),
                TokenizerFacts.of(metadata));
    }

    @Test
    void aVocabularyWithoutTheTokenBeginsNothing() {
        TokenizerFacts facts = TokenizerFacts.of(metadata("gpt2", "llama-bpe", 5));
        assertEquals(OptionalInt.empty(), facts.bos());
        assertEquals(false, facts.addsBos());
    }
}
