package io.sparkgguf.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ModelNameTest {

    /** What llama.cpp's converter makes of these names. */
    @ParameterizedTest
    @CsvSource(
            nullValues = "-",
            value = {
                // name, weights, title, organization, basename, finetune, version, size
                "docs-lm, 6824192, Docs Lm, -, -, -, -, -",
                "meta-llama/Llama-3.2-1B-Instruct, 1235814432, Llama 3.2 1B Instruct, Meta Llama, Llama-3.2, Instruct, -, 1B",
                "Qwen/Qwen2.5-0.5B-Instruct, 494032768, Qwen2.5 0.5B Instruct, Qwen, Qwen2.5, Instruct, -, 0.5B",
                "Qwen/Qwen3-0.6B, 596049920, Qwen3 0.6B, Qwen, Qwen3, -, -, 0.6B",
                "mistralai/Mistral-7B-Instruct-v0.3, 7248023552, Mistral 7B Instruct v0.3, Mistralai, Mistral, Instruct, v0.3, 7B",
                "TinyLlama-1.1B-Chat-v1.0, 1100048384, TinyLlama 1.1B Chat v1.0, -, TinyLlama, Chat, v1.0, 1.1B",
                "HuggingFaceTB/SmolLM2-135M, 134515008, SmolLM2 135M, HuggingFaceTB, SmolLM2, -, -, 135M",
                "togethercomputer/LLaMA-2-7B-32K, 6738415616, LLaMA 2 7B 32K, Togethercomputer, LLaMA-2, 32k, -, 7B",
                "bigscience/bloom-7b1-petals, 7069016064, Bloom 7b1 Petals, Bigscience, bloom, petals, -, 7.1B",
                "a model of ours, 1000, A Model Of Ours, -, -, -, -, -",
                "./some-7B, 7000000000, Some 7B, -, some, -, -, 7B",
                "xlm-large-7B-q4_0, 7000000000, Xlm Large 7B Q4_0, -, xlm-large, -, -, 7B",
                "phi-mini, 0, Phi Mini, -, phi, -, -, mini"
            })
    void is_read_as_the_converter_reads_it(
            String name,
            long weights,
            String title,
            String organization,
            String basename,
            String finetune,
            String version,
            String size) {
        assertEquals(
                new ModelName(
                        Optional.ofNullable(title),
                        Optional.ofNullable(organization),
                        Optional.ofNullable(basename),
                        Optional.ofNullable(finetune),
                        Optional.ofNullable(version),
                        Optional.ofNullable(size)),
                ModelName.parse(name, weights));
    }

    @ParameterizedTest
    @CsvSource({
        "999, 1.0K",
        "99, 0.10K",
        "6824192, 6.8M",
        "134515008, 135M",
        "1235814432, 1.2B",
        "9960000000, 10B",
        "70553706496, 71B",
        "1000000000, 1000M",
        "1027000000001, 1.0T"
    })
    void sizes_have_two_digits(long weights, String label) {
        assertEquals(label, GeneralMetadata.sizeLabel(weights));
    }
}
