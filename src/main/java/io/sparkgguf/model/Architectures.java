package io.sparkgguf.model;

import java.util.List;

/** The architectures that can be converted from Hugging Face: the list of pages. */
public final class Architectures {
    private static final List<Architecture> ALL =
            List.of(LlamaPage.PAGE, Qwen2Page.PAGE, Qwen3Page.PAGE, BitNetPage.PAGE);

    private Architectures() {}

    /** Their names, as {@code architectures} in {@code config.json} has them. */
    public static List<String> known() {
        return ALL.stream().flatMap(page -> page.names().stream()).toList();
    }

    /** The page of a configuration's first architecture. */
    static Architecture of(HfConfig config) {
        String known = "known are " + String.join(", ", known());
        String name = config.firstText("architectures")
                .orElseThrow(() -> config.unusable("architectures is missing or empty; " + known));
        return ALL.stream()
                .filter(page -> page.names().contains(name))
                .findFirst()
                .orElseThrow(() -> config.unusable("the architecture " + name + " is not known; " + known));
    }
}
