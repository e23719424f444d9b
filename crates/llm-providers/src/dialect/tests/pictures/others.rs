//! Pictures at Stability, Google, Together, Recraft and OpenAI.

use llm_types::ErrorKind;
use serde_json::json;

use super::*;

#[test]
fn stability_has_a_service_for_each_kind_of_edit() {
    let check = |model: &str, fields: &[(&str, &str)], path: &str, expect: Value| {
        let sent = edit(&format!("stability/{model}"), fields).unwrap();
        assert_eq!((&*sent.path, &sent.body), (&*format!("/v2beta/stable-image/{path}"), &expect), "{model}");
        sent.changes
    };
    let words = [("prompt", "p"), ("image", "I")];
    let masked = [("prompt", "p"), ("image", "I"), ("mask", "M"), ("grow_mask", "5")];
    let inpainted =
        json!({"prompt": "p", "output_format": "png", "image": "I", "mask": "M", "grow_mask": "5"});
    for model in ["core", "ultra", "sd3.5-large", "inpaint"] {
        let changes = check(model, &masked, "edit/inpaint", inpainted.clone());
        assert!(changes.contains("altered mask"), "{changes}");
    }
    let near = json!({"prompt": "p", "output_format": "png", "image": "I", "strength": "0.7"});
    let changes = check("ultra", &words, "generate/ultra", near.clone());
    assert!(changes.contains("altered strength"), "{changes}");
    let mut sd3 = near;
    sd3["mode"] = json!("image-to-image");
    sd3["model"] = json!("sd3.5-large");
    sd3["strength"] = json!("0.2");
    let changes = check("sd3.5-large", &[words[0], words[1], ("strength", "0.2")], "generate/sd3", sd3);
    assert_eq!(changes, "");
    let changes = check("erase", &words, "edit/erase", json!({"output_format": "png", "image": "I"}));
    assert!(changes.contains("dropped prompt"), "{changes}");
    let found =
        [words[0], words[1], ("search_prompt", "dog"), ("size", "1024x1024"), ("input_fidelity", "high")];
    let replaced = json!({"prompt": "p", "output_format": "png", "image": "I", "search_prompt": "dog"});
    let changes = check("search-and-replace", &found, "edit/search-and-replace", replaced);
    assert!(changes.contains("dropped size") && changes.contains("dropped input_fidelity"), "{changes}");
    let styled = [words[0], ("image[]", "I"), ("image[]", "J")];
    let two = json!({"prompt": "p", "output_format": "png", "init_image": "I", "style_image": "J"});
    check("style-transfer", &styled, "control/style-transfer", two);

    assert_eq!(param(edit("stability/core", &words)).as_deref(), Some("image"));
    assert_eq!(param(edit("stability/ultra", &styled)).as_deref(), Some("image"));
    assert_eq!(param(edit("stability/sketch", &masked)).as_deref(), Some("mask"));
    assert_eq!(param(make("stability/inpaint", json!({}))).as_deref(), Some("image"));
    assert_eq!(param(make("stability/core", json!({"n": 2}))).as_deref(), Some("n"));
    // What is not known is not taken for an SD3, which would be another picture at another price.
    for made in [make("stability/creative", json!({})), edit("stability/creative", &words)] {
        assert_eq!(param(made).as_deref(), Some("model"));
    }
    assert!(make("stability/sd3.5-medium", json!({})).is_ok());
    let sent = make("stability/core", json!({"size": "1536x1024", "seed": 4})).unwrap();
    assert_eq!(
        sent.body,
        json!({"prompt": "a lighthouse", "output_format": "png", "aspect_ratio": "3:2", "seed": "4"})
    );
}

#[test]
fn gemini_takes_proportions_and_how_large() {
    let config = |model: &str, body: Value| {
        let sent = make(model, body).unwrap();
        (sent.body["generationConfig"].clone(), sent.changes)
    };
    let modalities = json!(["TEXT", "IMAGE"]);
    let (large, changes) = config("gemini/gemini-3-pro-image-preview", json!({"size": "4096x2304"}));
    assert_eq!(
        large,
        json!({"responseModalities": modalities, "imageConfig": {"aspectRatio": "16:9", "imageSize": "4K"}})
    );
    assert!(changes.contains("16:9, 4K"), "{changes}");
    let (usual, changes) =
        config("gemini/gemini-2.5-flash-image", json!({"size": "2048x2048", "quality": "hd"}));
    assert_eq!(usual["imageConfig"], json!({"aspectRatio": "1:1"}));
    assert!(changes.contains("dropped quality"), "{changes}");
    // Its own words count, in both spellings and as an object.
    let own = json!({"size": "1024x1024", "aspect_ratio": "21:9", "imageSize": "2K", "seed": 7, "odd": 1});
    let (own, changes) = config("gemini/gemini-3-pro-image-preview", own);
    assert_eq!(
        (&own["imageConfig"], &own["seed"]),
        (&json!({"aspectRatio": "21:9", "imageSize": "2K"}), &json!(7))
    );
    assert!(changes.contains("dropped odd"), "{changes}");
    let (object, _) =
        config("vertex_ai/gemini-3-pro-image", json!({"image_config": {"aspect_ratio": "4:5"}}));
    assert_eq!(object["imageConfig"], json!({"aspectRatio": "4:5"}));
    assert_eq!(param(make("gemini/gemini-2.5-flash-image", json!({"n": 2}))).as_deref(), Some("n"));
}

#[test]
fn imagen_is_told_all_that_it_takes() {
    let asked = json!({"n": 4, "size": "2048x2048", "negative_prompt": "fog", "seed": 7, "personGeneration": "dont_allow", "output_format": "jpeg", "odd": 1});
    let sent = make("vertex_ai/imagen-4.0-generate-001", asked.clone()).unwrap();
    assert_eq!(
        sent.body,
        json!({
            "instances": [{"prompt": "a lighthouse"}],
            "parameters": {"sampleCount": 4, "aspectRatio": "1:1", "sampleImageSize": "2K",
                "outputOptions": {"mimeType": "image/jpeg"}, "negativePrompt": "fog", "seed": 7, "personGeneration": "dont_allow"},
        })
    );
    assert!(sent.changes.contains("dropped odd"), "{}", sent.changes);
    let sent = make("gemini/imagen-4.0-fast-generate-001", asked).unwrap();
    assert_eq!(sent.body["parameters"].get("sampleImageSize"), None);
    assert!(sent.changes.contains("dropped output_format"), "{}", sent.changes);

    let able = "vertex_ai/imagen-3.0-capability-001";
    let sent = edit(able, &[("prompt", "p"), ("image", "I"), ("mask", "M"), ("size", "1024x1024")]).unwrap();
    assert!(sent.path.ends_with("/imagen-3.0-capability-001:predict"), "{}", sent.path);
    assert_eq!(
        sent.body,
        json!({
            "instances": [{"prompt": "p", "referenceImages": [
                {"referenceType": "REFERENCE_TYPE_RAW", "referenceId": 1, "referenceImage": {"bytesBase64Encoded": "SQ=="}},
                {"referenceType": "REFERENCE_TYPE_MASK", "referenceId": 2, "referenceImage": {"bytesBase64Encoded": "TQ=="},
                    "maskImageConfig": {"maskMode": "MASK_MODE_USER_PROVIDED"}},
            ]}],
            "parameters": {"sampleCount": 1, "editMode": "EDIT_MODE_INPAINT_INSERTION"},
        })
    );
    assert!(
        sent.changes.contains("dropped size") && sent.changes.contains("altered mask"),
        "{}",
        sent.changes
    );
    let sent = edit(able, &[("prompt", "p"), ("image", "I"), ("editMode", "EDIT_MODE_BGSWAP")]).unwrap();
    assert_eq!(sent.body["parameters"]["editMode"], "EDIT_MODE_BGSWAP");
    assert_eq!(
        param(edit(able, &[("prompt", "p"), ("image[]", "I"), ("image[]", "J")])).as_deref(),
        Some("image")
    );
    let held = read(able, &sent, &json!({"predictions": [{"raiFilteredReason": "no"}]}));
    assert_eq!(held.unwrap_err().kind, ErrorKind::ContentPolicy);
}

#[test]
fn pictures_that_gemini_holds_back_are_against_its_policy() {
    let model = "gemini/gemini-2.5-flash-image";
    let sent = edit(model, &[("prompt", "p"), ("image", "I")]).unwrap();
    let check = |body: Value, kind: ErrorKind| {
        assert_eq!(read(model, &sent, &body).unwrap_err().kind, kind, "{body}");
    };
    check(json!({"candidates": [{"finishReason": "IMAGE_SAFETY", "index": 0}]}), ErrorKind::ContentPolicy);
    check(json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}), ErrorKind::ContentPolicy);
    let said = json!({"role": "model", "parts": [{"text": "I would rather not."}]});
    check(json!({"candidates": [{"content": said, "finishReason": "STOP"}]}), ErrorKind::UpstreamFormat);
}

#[test]
fn together_changes_pictures_that_it_is_referred_to() {
    let model = "together_ai/black-forest-labs/FLUX.1-kontext-pro";
    let one = "data:image/png;base64,SQ==";
    let sent = edit(
        model,
        &[("prompt", "p"), ("image", "I"), ("size", "1024x768"), ("response_format", "b64_json")],
    )
    .unwrap();
    assert_eq!(
        (&*sent.path, &sent.body),
        (
            "/images/generations",
            &json!({"model": "black-forest-labs/FLUX.1-kontext-pro", "prompt": "p", "width": 1024, "height": 768,
                "response_format": "base64", "image_url": one})
        )
    );
    let sent = edit(model, &[("prompt", "p"), ("image[]", "I"), ("image[]", "J")]).unwrap();
    assert_eq!(sent.body["reference_images"], json!([one, "data:image/png;base64,Sg=="]));
    for model in [model, "gemini/gemini-2.5-flash-image"] {
        let masked = edit(model, &[("prompt", "p"), ("image", "I"), ("mask", "M")]);
        assert_eq!(param(masked).as_deref(), Some("mask"), "{model}");
    }
    let url = "https://pictures.example/a.png";
    let asked = Asked { dialect: Some(Dialect::OpenaiImages), ..Asked::of(Op::ImageEdit) };
    let json = |body: Value| go(model, body.to_string().as_bytes(), &asked).unwrap().body;
    let far = json(json!({"model": "m", "prompt": "p", "images": [{"image_url": url}]}));
    assert_eq!((&far["image_url"], far.get("images")), (&json!(url), None));
    assert_eq!(json(json!({"model": "m", "prompt": "p", "image_url": url}))["image_url"], url);
}

#[test]
fn recraft_has_a_path_for_each_kind_of_edit() {
    let sent =
        edit("recraft/recraftv3", &[("prompt", "p"), ("image", "I"), ("quality", "hd"), ("n", "2")]).unwrap();
    let whole = json!({"model": "recraftv3", "prompt": "p", "n": "2", "image": "I", "strength": "0.5"});
    assert_eq!((&*sent.path, &sent.body), ("/images/imageToImage", &whole));
    for told in ["altered strength", "dropped quality"] {
        assert!(sent.changes.contains(told), "{told}: {}", sent.changes);
    }
    let part = [("prompt", "p"), ("image", "I"), ("mask", "M"), ("response_format", "b64_json")];
    let sent = edit("recraft/recraftv3", &part).unwrap();
    assert_eq!(
        (&*sent.path, &sent.body),
        (
            "/images/inpaint",
            &json!({"model": "recraftv3", "prompt": "p", "response_format": "b64_json", "image": "I", "mask": "M"})
        )
    );
    assert_eq!(
        param(edit("recraft/recraftv3", &[("prompt", "p"), ("image[]", "I"), ("image[]", "J")])).as_deref(),
        Some("image")
    );
}

#[test]
fn openai_varies_a_picture() {
    let fields =
        [("image", "I"), ("n", "2"), ("size", "256x256"), ("response_format", "b64_json"), ("user", "u")];
    let sent = change(Op::ImageVariation, "openai/dall-e-2", &fields).unwrap();
    let expect = json!({"model": "dall-e-2", "image": "I", "n": "2", "size": "256x256", "response_format": "b64_json", "user": "u"});
    assert_eq!((&*sent.path, &sent.body, &*sent.changes), ("/images/variations", &expect, ""));
    assert_eq!(param(change(Op::ImageVariation, "openai/dall-e-2", &[("n", "2")])).as_deref(), Some("image"));
    let masked = change(Op::ImageVariation, "openai/dall-e-2", &[("image", "I"), ("mask", "M")]);
    assert_eq!(param(masked).as_deref(), Some("mask"));
    let offers = |provider: &str, model: &str| {
        ProviderTable::builtin().get(provider).unwrap().offers(Op::ImageVariation, model)
    };
    assert!(offers("openai", "dall-e-2") && offers("bedrock", "amazon.nova-canvas-v1:0"));
    for (provider, model) in [
        ("openai", "gpt-image-1"),
        ("azure", "dall-e-2"),
        ("gemini", "imagen-4"),
        ("bedrock", "stability.sd3-5-large-v1:0"),
    ] {
        assert!(!offers(provider, model), "{provider}/{model}");
    }
}

#[test]
fn rows_say_how_many_pictures_they_make_at_once() {
    let check = |model: &str, most: Option<u32>| {
        let (_, spec) = codec(model, Op::Image);
        let (_, model) = name(model);
        let dialect = spec.dialect_for(Op::Image, None, model);
        assert_eq!(spec.max_images(dialect, model), most, "{}/{model}", spec.name);
    };
    check("openai/gpt-image-1", Some(10));
    check("openai/dall-e-3", Some(1));
    check("azure/pictures-of-ours", Some(10));
    check("gemini/imagen-4.0-generate-001", Some(4));
    check("vertex_ai/imagen-4.0-generate-001", Some(4));
    check("gemini/gemini-2.5-flash-image", Some(1));
    check("bedrock/amazon.titan-image-generator-v2:0", Some(5));
    check("bedrock/us.stability.stable-image-inpaint-v1:0", Some(1));
    check("stability/core", Some(1));
    check("xai/grok-2-image", Some(10));
    check("recraft/recraftv3", Some(6));
    check("together_ai/m", Some(4));
    check("litellm_proxy/m", None);
}

#[test]
fn an_answer_is_looked_at_where_its_format_is_in_question() {
    let check = |model: &str, body: Value, bytes: bool| {
        let sent = make(model, body.clone()).unwrap();
        let media = sent.memo.media.as_deref().unwrap();
        assert_eq!((media.bytes, sent.memo.rewrites()), (bytes, bytes), "{model} {body}");
    };
    let asked = json!({"response_format": "b64_json"});
    check("openai/dall-e-2", asked.clone(), true);
    check("openai/dall-e-2", json!({"response_format": "url"}), false);
    check("openai/dall-e-2", json!({}), false);
    // These make base64 alone, and a stream is none to be read.
    check("openai/gpt-image-1", asked, false);
    check("openai/dall-e-2", json!({"response_format": "b64_json", "stream": true}), false);
}

#[test]
fn words_are_asked_for_where_nothing_is_done_without() {
    let silent = [("image", "I")];
    for model in [
        "stability/remove-background",
        "stability/erase",
        "stability/fast",
        "stability/outpaint",
        "bedrock/stability.stable-image-remove-background-v1:0",
        "bedrock/stability.stable-outpaint-v1:0",
        "bedrock/amazon.nova-canvas-v1:0",
        // Whoever is behind says so: it may be one of these.
        "openai/gpt-image-1",
    ] {
        let sent = edit(model, &silent).unwrap();
        assert!(!sent.body.to_string().contains("prompt"), "{model}: {}", sent.body);
    }
    for model in [
        "stability/inpaint",
        "stability/ultra",
        "stability/conservative",
        "bedrock/stability.stable-image-inpaint-v1:0",
        "gemini/gemini-2.5-flash-image",
        "xai/grok-2-image",
        "recraft/recraftv3",
        "together_ai/black-forest-labs/FLUX.1-kontext-pro",
    ] {
        assert_eq!(param(edit(model, &silent)).as_deref(), Some("prompt"), "{model}");
    }
    // The same where the edit is JSON; new pictures are made of words alone.
    let json = |op: Op| {
        let body = json!({"model": "m", "images": [{"image_url": "data:image/png;base64,SQ=="}]}).to_string();
        let asked = Asked { dialect: Some(Dialect::OpenaiImages), ..Asked::of(op) };
        go("stability/remove-background", body.as_bytes(), &asked)
    };
    assert_eq!(json(Op::ImageEdit).unwrap().body, json!({"output_format": "png", "image": "I"}));
    assert_eq!(
        param(openai_images::Server.decode(br#"{"model":"m"}"#, &Asked::of(Op::Image))).as_deref(),
        Some("prompt")
    );
}

#[test]
fn a_size_that_is_said_twice_is_told() {
    let changes = |model: &str, body: Value| make(model, body).unwrap().changes;
    let pixels = json!({"size": "1024x768", "width": 512, "height": 512});
    let said = changes("together_ai/black-forest-labs/FLUX.1-schnell", pixels);
    assert!(said.contains("dropped width") && said.contains("dropped height"), "{said}");
    let said = changes("xai/grok-imagine-image", json!({"size": "1024x1024", "aspect_ratio": "16:9"}));
    assert!(said.contains("dropped aspect_ratio"), "{said}");
    let said = changes("xai/grok-imagine-image", json!({"aspect_ratio": "16:9"}));
    assert!(!said.contains("aspect_ratio"), "{said}");
}
