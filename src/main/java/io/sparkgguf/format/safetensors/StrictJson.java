package io.sparkgguf.format.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.ByteArrayInputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;

/**
 * Walks one JSON object in UTF-8, token by token, with limits; every complaint names the file and the byte.
 *
 * <p>Characters are decoded before the parser sees them, so it cannot guess UTF-16 or UTF-32, and no table of names is
 * kept, so names made to collide cost nothing.
 */
final class StrictJson implements Closeable {
    private static final int MAX_NAME = 4096;
    private static final int MAX_STRING = 1 << 24;
    private static final int MAX_DIGITS = 32;
    private static final int MAX_DEPTH = 16;

    private static final JsonFactory FACTORY = new JsonFactoryBuilder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(MAX_DEPTH)
                    .maxNameLength(MAX_NAME)
                    .maxStringLength(MAX_STRING)
                    .maxNumberLength(MAX_DIGITS)
                    .build())
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .build();

    /** What Jackson adds for programmers. */
    private static final Pattern ADVICE = Pattern.compile("(, from|: enable) `[^`]*`( to allow)?");

    private final String file;
    private final byte[] bytes;
    private final long origin;
    private final JsonParser parser;

    /** @param origin where {@code bytes} starts in the file */
    StrictJson(String file, byte[] bytes, long origin) throws IOException {
        this.file = file;
        this.bytes = bytes;
        this.origin = origin;
        checkUtf8();
        this.parser =
                FACTORY.createParser(new InputStreamReader(new ByteArrayInputStream(bytes), StandardCharsets.UTF_8));
    }

    private void checkUtf8() {
        CharsetDecoder decoder = StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
        ByteBuffer in = ByteBuffer.wrap(bytes);
        CharBuffer out = CharBuffer.allocate(8192);
        CoderResult result;
        do {
            out.clear();
            result = decoder.decode(in, out, true);
        } while (result.isOverflow());
        if (result.isError()) {
            throw damaged("not UTF-8", origin + in.position());
        }
    }

    /** The next token, never null: JSON that ends early is refused. */
    JsonToken next() throws IOException {
        try {
            JsonToken token = parser.nextToken();
            if (token == null) {
                throw damaged("the JSON ends early", origin + bytes.length);
            }
            return token;
        } catch (JsonProcessingException e) {
            throw notJson(e);
        }
    }

    /** Takes the start of an object, or complains that {@code what} is none. */
    void startObject(String what) throws IOException {
        expect(next(), JsonToken.START_OBJECT, what, "an object");
    }

    void startArray(String what) throws IOException {
        expect(next(), JsonToken.START_ARRAY, what, "an array");
    }

    /** The next name of the object being read, or null at its end. */
    String nextName() throws IOException {
        return next() == JsonToken.END_OBJECT ? null : parser.currentName();
    }

    /** Takes a string. */
    String text(String what) throws IOException {
        expect(next(), JsonToken.VALUE_STRING, what, "a string");
        try {
            return parser.getText();
        } catch (JsonProcessingException e) { // the text of a string is parsed only when asked for
            throw notJson(e);
        }
    }

    /** The next number of the array being read, from 0 to 2^63 - 1, or -1 at its end. */
    long numberOrEnd(String what) throws IOException {
        JsonToken token = next();
        if (token == JsonToken.END_ARRAY) {
            return -1;
        }
        expect(token, JsonToken.VALUE_NUMBER_INT, what, "whole numbers");
        if (parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER || parser.getLongValue() < 0) {
            throw damaged(what + " holds " + parser.getText() + ", which is not from 0 to 2^63 - 1");
        }
        return parser.getLongValue();
    }

    /** Takes one value of any kind and forgets it. */
    void skip() throws IOException {
        next();
        try {
            parser.skipChildren();
        } catch (JsonProcessingException e) {
            throw notJson(e);
        }
    }

    /** Only blanks may follow the object. */
    void end() throws IOException {
        try {
            if (parser.nextToken() != null) {
                throw damaged("more follows after the JSON object");
            }
        } catch (JsonProcessingException e) {
            throw notJson(e);
        }
    }

    private void expect(JsonToken token, JsonToken wanted, String what, String kind) {
        if (token != wanted) {
            throw damaged(what + " is not " + kind);
        }
    }

    /** A complaint about the token just read. */
    InvalidInputException damaged(String reason) {
        return damaged(reason, at());
    }

    /** The byte of the file at which the token just read starts. */
    long at() {
        return origin + byteOf(parser.currentTokenLocation().getCharOffset());
    }

    private InvalidInputException damaged(String reason, long at) {
        return new InvalidInputException("Cannot read " + file + ": " + reason + ", at byte " + at);
    }

    private InvalidInputException notJson(JsonProcessingException e) {
        long characters = e.getLocation() == null ? 0 : e.getLocation().getCharOffset();
        return damaged(
                "not acceptable JSON (" + ADVICE.matcher(e.getOriginalMessage()).replaceAll("") + ")",
                origin + byteOf(characters));
    }

    /** The byte at which character {@code characters} (UTF-16 units) starts; the bytes are known to be UTF-8. */
    private long byteOf(long characters) {
        int at = 0;
        for (long seen = 0; seen < characters && at < bytes.length; seen++) {
            int lead = bytes[at] & 0xFF;
            at += lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
            if (lead >= 0xF0) {
                seen++; // a surrogate pair
            }
        }
        return Math.min(at, bytes.length);
    }

    @Override
    public void close() throws IOException {
        parser.close();
    }
}
