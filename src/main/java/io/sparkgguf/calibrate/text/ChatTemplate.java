package io.sparkgguf.calibrate.text;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.el.JinjavaInterpreterResolver;
import com.hubspot.jinjava.interpret.FatalTemplateErrorsException;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.exptest.IsIterableExpTest;
import com.hubspot.jinjava.lib.filter.Filter;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import com.hubspot.jinjava.loader.ResourceNotFoundException;
import io.sparkgguf.model.tokenizer.TokenizerFacts;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataValue;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import jinjava.javax.el.CompositeELResolver;

/**
 * A model's chat template, which makes one text of the messages of a conversation, as transformers does: without a
 * prompt for a further answer, with blocks trimmed, with {@code raise_exception}, {@code strftime_now}, JSON as Python
 * writes it, and the methods of Python's strings that templates call.
 *
 * <p>A template comes from a foreign file: it can read nothing but what it is given, and its output is limited.
 */
final class ChatTemplate {
    private static final long MAX_OUTPUT = 64 << 20;
    private static final int MAX_RANGE = 100_000;

    private final Jinjava jinjava;
    private final String template;
    private final Map<String, Object> constants = new HashMap<>();

    /** Why a conversation cannot be rendered; one line. */
    static final class Failure extends Exception {
        private static final long serialVersionUID = 1L;

        Failure(String message, Throwable cause) {
            super(message, cause);
        }
    }

    /** The template that the metadata of a model holds, empty when it holds none. */
    static Optional<ChatTemplate> of(Metadata metadata) {
        return metadata.string("tokenizer.chat_template").map(template -> new ChatTemplate(template, metadata));
    }

    private ChatTemplate(String template, Metadata metadata) {
        TokenizerFacts facts = TokenizerFacts.of(metadata);
        Optional<MetadataValue.Strings> tokens = TokenizerFacts.tokens(metadata);
        constants.put("bos_token", text(tokens, facts.bos()));
        constants.put("eos_token", text(tokens, facts.eos()));
        constants.put("pad_token", text(tokens, facts.padding()));
        constants.put("add_generation_prompt", false);
        CompositeELResolver resolver = new CompositeELResolver();
        resolver.add(new PythonMethods());
        resolver.add(JinjavaInterpreterResolver.DEFAULT_RESOLVER_READ_ONLY);
        jinjava = new Jinjava(JinjavaConfig.newBuilder()
                .withTrimBlocks(true)
                .withLstripBlocks(true)
                .withElResolver(resolver)
                .withMaxOutputSize(MAX_OUTPUT)
                .withMaxStringLength(MAX_OUTPUT)
                .withRangeLimit(MAX_RANGE)
                .withNestedInterpretationEnabled(false)
                .withLegacyOverrides(LegacyOverrides.newBuilder()
                        .withEvaluateMapKeys(true)
                        .withIterateOverMapKeys(true)
                        .withUseNaturalOperatorPrecedence(true)
                        .withParseWhitespaceControlStrictly(true)
                        .withAllowAdjacentTextNodes(true)
                        .withUseTrimmingForNotesAndExpressions(true)
                        .withKeepNullableLoopValues(true)
                        .build())
                .build());
        jinjava.setResourceLocator((name, charset, interpreter) -> {
            throw new ResourceNotFoundException("templates read no files");
        });
        jinjava.registerFunction(
                new ELFunctionDefinition("", "raise_exception", TemplateFunctions.class, "raise", Object.class));
        jinjava.registerFunction(
                new ELFunctionDefinition("", "strftime_now", TemplateFunctions.class, "now", String.class));
        jinjava.registerFunction(new ELFunctionDefinition(
                "", TemplateSource.UNSUPPORTED, TemplateFunctions.class, "unsupported", Object.class));
        jinjava.registerFilter(new PythonJson());
        jinjava.registerFilter(new UnsupportedFilter());
        jinjava.registerExpTest(new PythonIterable());
        this.template = TemplateSource.adapted(
                template, name -> jinjava.getGlobalContext().getFilter(name) != null);
    }

    private static String text(Optional<MetadataValue.Strings> tokens, OptionalInt id) {
        return tokens.isPresent() && id.isPresent() ? tokens.get().get(id.getAsInt()) : "";
    }

    /**
     * @param messages a list of maps with {@code role} and {@code content}
     * @param tools the functions that the model may call, null for none
     * @throws Failure when the template refuses the messages, or is beyond what the library renders
     */
    String render(Object messages, Object tools) throws Failure {
        Map<String, Object> variables = new HashMap<>(constants);
        variables.put("messages", messages);
        variables.put("tools", tools);
        try {
            RenderResult result = jinjava.renderForResult(template, variables);
            for (TemplateError error : result.getErrors()) {
                throw failure(error.getMessage(), error.getException());
            }
            return result.getOutput();
        } catch (FatalTemplateErrorsException e) {
            throw failure(e.getMessage(), e);
        } catch (RuntimeException | StackOverflowError e) {
            throw failure(e.getClass().getSimpleName() + ": " + e.getMessage(), e);
        }
    }

    /** In the words of what was thrown first by our own functions, else in the library's. */
    private static Failure failure(String message, Throwable thrown) {
        String reason = message;
        int depth = 0;
        for (Throwable cause = thrown; cause != null && depth < 16; cause = cause.getCause(), depth++) {
            if (cause instanceof TemplateFunctions.Refusal) {
                reason = cause.getMessage();
            }
        }
        return new Failure(
                reason == null ? "no reason given" : reason.lines().findFirst().orElse(""), thrown);
    }

    /** In Python text is iterable too. */
    private static final class PythonIterable extends IsIterableExpTest {
        @Override
        public boolean evaluate(Object value, JinjavaInterpreter interpreter, Object... arguments) {
            return value instanceof CharSequence || super.evaluate(value, interpreter, arguments);
        }
    }

    /** Stands for every filter that the library does not have. */
    private static final class UnsupportedFilter implements Filter {
        @Override
        public String getName() {
            return TemplateSource.UNSUPPORTED;
        }

        @Override
        public Object filter(Object value, JinjavaInterpreter interpreter, String... arguments) {
            return TemplateFunctions.unsupported(arguments[0]);
        }
    }
}
