package io.sparkgguf.model.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkgguf.tensor.Metadata;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * Chat templates, verbatim: of tokenizer_config.json (one, or a list with names), else of chat_template.jinja and
 * additional_chat_templates, else of chat_template.json.
 */
final class ChatTemplates {
    private static final String DEFAULT = "default";

    private ChatTemplates() {}

    static void write(Metadata metadata, TokenizerFiles files, JsonInput tokenizerConfig, List<String> notes) {
        Map<String, String> templates = named(tokenizerConfig);
        boolean hasFile = files.get(TokenizerFiles.CHAT_TEMPLATE_JINJA).isPresent();
        if (templates.isEmpty() && hasFile) {
            templates = ofFiles(files);
        } else if (hasFile && !text(files, TokenizerFiles.CHAT_TEMPLATE_JINJA).equals(templates.get(DEFAULT))) {
            notes.add("chat_template.jinja differs from the chat template of tokenizer_config.json; the latter counts");
        }
        if (templates.isEmpty()) {
            templates = named(JsonInput.read(files, TokenizerFiles.CHAT_TEMPLATE_JSON));
        }
        TreeSet<String> others = new TreeSet<>(templates.keySet());
        others.remove(DEFAULT);
        for (String name : others) {
            metadata.putString("tokenizer.chat_template." + name, templates.get(name));
        }
        if (!others.isEmpty()) {
            metadata.putStrings("tokenizer.chat_templates", others);
        }
        if (templates.containsKey(DEFAULT)) {
            metadata.putString("tokenizer.chat_template", templates.get(DEFAULT));
        }
    }

    /** Templates by name of a JSON file's {@code chat_template}: a string, or a list of {name, template}. */
    private static Map<String, String> named(JsonInput json) {
        Map<String, String> templates = new LinkedHashMap<>();
        JsonNode value = json.get("chat_template");
        if (value.isTextual()) {
            templates.put(DEFAULT, value.textValue());
        } else if (value.isArray()) {
            for (JsonNode entry : value) {
                String name = json.text(entry.path("name"), "the name of a chat template");
                templates.put(
                        key(name), json.text(entry.path("template"), "the chat template " + JsonInput.quote(name)));
            }
        } else if (!value.isMissingNode()) {
            throw json.refuse("chat_template is neither text nor a list");
        }
        return templates;
    }

    private static Map<String, String> ofFiles(TokenizerFiles files) {
        Map<String, String> templates = new LinkedHashMap<>();
        templates.put(DEFAULT, text(files, TokenizerFiles.CHAT_TEMPLATE_JINJA));
        String folder = TokenizerFiles.ADDITIONAL_TEMPLATES + '/';
        for (String file : new TreeSet<>(files.files().keySet())) {
            if (file.startsWith(folder)) {
                String name = file.substring(folder.length(), file.length() - ".jinja".length());
                templates.putIfAbsent(key(name), text(files, file));
            }
        }
        return templates;
    }

    /** A name as part of a key: anything but ASCII letters and digits becomes '_', as llama.cpp's converter has it. */
    private static String key(String name) {
        return name.replaceAll("[^A-Za-z0-9]", "_");
    }

    private static String text(TokenizerFiles files, String file) {
        return JsonInput.decode(file, files.get(file).orElseThrow());
    }
}
