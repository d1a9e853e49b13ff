package io.sparkgguf.llamacpp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class LlamaCppTest {
    @TempDir
    static Path folder;

    @BeforeEach
    void needsLlamaCpp() {
        LlamaCpp.assumeAvailable();
    }

    static Stream<Call> calls() {
        return Stream.of(
                new Call("logits.mjs", file -> LlamaCpp.logits(List.of(file), new int[][] {{1, 2}}, 0)),
                new Call("tokenize.mjs", file -> LlamaCpp.tokenize(file, List.of("a"))),
                new Call("generate.mjs", file -> LlamaCpp.generate(file, "a", 1)));
    }

    @ParameterizedTest
    @MethodSource("calls")
    void fileThatIsNoModelIsRefusedInTheWordsOfLlamaCpp(Call call) throws IOException {
        Path junk = Files.writeString(folder.resolve("junk.gguf"), "junk".repeat(16));
        IOException error = assertThrows(IOException.class, () -> call.on.run(junk));
        assertEquals(
                "Cannot run " + call.script + ": exit code 1\n" + "Cannot run llama.cpp: " + junk
                        + ": Invalid GGUF magic. Expected \"GGUF\" but got \"junk\".",
                error.getMessage());
    }

    record Call(String script, OnFile on) {
        @Override
        public String toString() {
            return script;
        }
    }

    interface OnFile {
        void run(Path file) throws IOException;
    }
}
